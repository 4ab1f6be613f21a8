"""Follows the event log once for all open streams, and lets each resume where it left off."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from conductor.views import EventView, events_after, last_position
from servers.kit.database import Pool
from servers.kit.errors import Unavailable
from servers.kit.wake import Wake, wait_for_either

TOPIC = "events"
KEPT = 1000
AT_ONCE = 200
LOOK_AGAIN_SECONDS = 5.0


class Feed:
    """The newest events in memory, older ones from the log.

    Args:
        kept: How many events stay in memory for those who follow closely.
    """

    def __init__(self, pool: Pool, wake: Wake, kept: int = KEPT) -> None:
        self._pool = pool
        self._wake = wake
        self._recent: deque[EventView] = deque(maxlen=kept)
        self._end: int | None = None
        self._reading = asyncio.Lock()
        self._closed = asyncio.Event()

    async def after(self, position: int) -> list[EventView]:
        """Events behind `position`, in order, at most a few hundred."""
        await self._catch_up(position)
        start = self._recent[0].position - 1 if self._recent else self._end or 0
        if position < start:
            return await events_after(self._pool, position, AT_ONCE)
        return [event for event in self._recent if event.position > position][:AT_ONCE]

    async def follow(self, position: int) -> AsyncGenerator[EventView]:
        """Events behind `position`, and then each that is recorded, until the feed is closed.

        Nothing is queued for a follower: whoever reads slowly finds more at its next look.
        """
        while not self._closed.is_set():
            seen = self._wake.count(TOPIC)
            try:
                events = await self.after(position)
            except Unavailable:
                events = []  # the database is away for a moment; followers stay
            for event in events:
                yield event
                position = event.position
            if not events:
                await wait_for_either(self._wake, TOPIC, LOOK_AGAIN_SECONDS, seen, self._closed)

    async def newest(self) -> int:
        """The position of the last event."""
        return await last_position(self._pool)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed.set()

    async def _catch_up(self, position: int) -> None:
        if self._end is not None and position < self._end:
            return
        async with self._reading:
            if self._end is None:
                self._end = max(position, await self.newest() - (self._recent.maxlen or 0), 0)
            if position < self._end:
                return
            for event in await events_after(self._pool, self._end, AT_ONCE):
                self._recent.append(event)
                self._end = event.position
