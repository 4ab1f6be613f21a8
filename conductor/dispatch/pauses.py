"""Pauses that end by themselves: a provider's usage limit, a day whose money is spent."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from conductor.events import RigPaused, RigResumed
from conductor.handler import Once, digest, record
from conductor.store.writer import ASSIGNMENTS, EVENTS, Store, connection_of
from servers.kit.database import load_queries
from servers.kit.errors import Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("pauses.sql"))
LOOK_AGAIN_SECONDS = 15.0
log = get(__name__)


class Pauses:
    """Begins and ends them; safe in several processes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._changed = asyncio.Event()

    async def begin(self, scope: str, reason: str, until: datetime, by: str = "conductor") -> bool:
        """Pause `scope` until then, unless it is paused as long already; whether it was not."""
        async with connection_of(self.store.pool) as connection:
            known = await connection.fetchval(SQL["known"], scope.lower())
        if known is not None and known >= until:
            return False
        event = RigPaused(scope=scope, by=by, reason=reason, until=until)
        await record(self.store, "rig", event, by)
        await self.store.wake.publish(ASSIGNMENTS, EVENTS)
        self._changed.set()
        return True

    async def run(self) -> None:
        """End for ever what is over, and wake those who wait for work."""
        while True:
            self._changed.clear()
            try:
                await self.end_due()
                seconds = await self._seconds()
            except Unavailable as error:
                log.warning("the pauses wait for the database", error=str(error))
                seconds = LOOK_AGAIN_SECONDS
            await self._sleep(seconds)

    async def end_due(self) -> list[str]:
        """End the pauses whose time is over; which ones those were."""
        async with connection_of(self.store.pool) as connection:
            due = await connection.fetch(SQL["due"], self.store.clock.now())
        for row in due:
            once = _once(row["scope"], row["until"])
            await record(self.store, "rig", RigResumed(scope=row["scope"], by="conductor"), "conductor", once=once)
            log.info("a pause is over", scope=row["scope"])
        if due:
            await self.store.wake.publish(ASSIGNMENTS, EVENTS)
        return [row["scope"] for row in due]

    async def _seconds(self) -> float:
        async with connection_of(self.store.pool) as connection:
            until = await connection.fetchval(SQL["next"])
        left = (until - self.store.clock.now()).total_seconds() if until else LOOK_AGAIN_SECONDS
        return min(max(left, 0.0), LOOK_AGAIN_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        """Until the time is over, or another pause begins here."""
        waits = [asyncio.ensure_future(self.store.clock.sleep(seconds)), asyncio.ensure_future(self._changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _once(scope: str, until: datetime) -> Once:
    """Of several processes that see a pause end, one records it."""
    return Once("conductor", "resume", f"{scope}@{until.isoformat()}", digest(scope), lambda _: {})
