"""Follows something numbered, such as the event log, once for all open streams; each resumes where it left off."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from conductor.logbook import LINES, LogLine, last, read
from conductor.views import EventView, events_after, last_position
from servers.kit.database import Pool
from servers.kit.errors import Unavailable
from servers.kit.wake import Wake, wait_for_either

TOPIC = "events"
KEPT = 1000
AT_ONCE = 200
LOOK_AGAIN_SECONDS = 5.0
T = TypeVar("T")


@dataclass(frozen=True)
class Series(Generic[T]):
    """What can be followed: items with growing numbers, of which none ever appears behind one that was read.

    Attributes:
        topic: On which new items are announced.
        after: So many items behind a number.
        last: The number of the last item.
        number: The number of an item.
    """

    topic: str
    after: Callable[[Pool, int, int], Awaitable[list[T]]]
    last: Callable[[Pool], Awaitable[int]]
    number: Callable[[T], int]


async def _lines_after(pool: Pool, number: int, limit: int) -> list[LogLine]:
    return await read(pool, number, limit=limit)


EVENTS: Series[EventView] = Series(TOPIC, events_after, last_position, lambda event: event.position)
LOG: Series[LogLine] = Series(LINES, _lines_after, last, lambda line: line.id)


class Feed(Generic[T]):
    """The newest items in memory, older ones from the database.

    Args:
        kept: How many items stay in memory for those who follow closely.
    """

    def __init__(self, pool: Pool, wake: Wake, series: Series[T], kept: int = KEPT) -> None:
        self._pool = pool
        self._wake = wake
        self._series = series
        self._recent: deque[T] = deque(maxlen=kept)
        self._end: int | None = None
        self._reading = asyncio.Lock()
        self._closed = asyncio.Event()

    async def after(self, number: int) -> list[T]:
        """Items behind `number`, in order, at most a few hundred."""
        await self._catch_up(number)
        start = self._series.number(self._recent[0]) - 1 if self._recent else self._end or 0
        if number < start:
            return await self._series.after(self._pool, number, AT_ONCE)
        return [item for item in self._recent if self._series.number(item) > number][:AT_ONCE]

    async def follow(self, number: int) -> AsyncGenerator[T]:
        """Items behind `number`, and then each that comes, until the feed is closed.

        Nothing is queued for a follower: whoever reads slowly finds more at its next look.
        """
        while not self._closed.is_set():
            seen = self._wake.count(self._series.topic)
            try:
                items = await self.after(number)
            except Unavailable:
                items = []  # the database is away for a moment; followers stay
            for item in items:
                yield item
                number = self._series.number(item)
            if not items:
                await wait_for_either(self._wake, self._series.topic, LOOK_AGAIN_SECONDS, seen, self._closed)

    def number(self, item: T) -> int:
        """The number of an item."""
        return self._series.number(item)

    async def newest(self) -> int:
        """The number of the last item."""
        return await self._series.last(self._pool)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed.set()

    async def _catch_up(self, number: int) -> None:
        if self._end is not None and number < self._end:
            return
        async with self._reading:
            if self._end is None:
                self._end = max(number, await self.newest() - (self._recent.maxlen or 0), 0)
            if number < self._end:
                return
            for item in await self._series.after(self._pool, self._end, AT_ONCE):
                self._recent.append(item)
                self._end = self._series.number(item)
