"""Watches for work that stands still, failures that pile up, money that buys nothing; safe in several processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from conductor.events import decode
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.breakers import Failure, piled_up
from conductor.issues.failures import failure_class
from conductor.store.writer import Store, connection_of
from servers.kit.character import Character
from servers.kit.database import load_queries
from servers.kit.errors import Conflict, Refused, RigError, Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("watch.sql"))
ATTEMPTS = 5
log = get(__name__)


def reviewers(catalogue: Mapping[str, Character]) -> list[str]:
    """The characters that review."""
    return [character.name for character in catalogue.values() if "review" in character.work]


class Watch:
    """Tells issues what nobody else will; each only at the version that the database showed.

    So whatever happens to an issue meanwhile, another process's finding included, makes the finding void.

    Args:
        reviewers: The characters that review; while all of them are paused no review is overdue.
        interval: Seconds from look to look.
    """

    def __init__(self, store: Store, reviewers: Sequence[str] = (), interval: float = 15) -> None:
        self.store = store
        self._reviewers = [f"agent:{name.lower()}" for name in reviewers]
        self._interval = interval

    async def run(self) -> None:
        """Look for ever; the first time only after an interval, for whoever comes back with the rig goes first."""
        while True:
            await self.store.clock.sleep(self._interval)
            try:
                await self.look()
            except Unavailable as error:
                log.warning("the watch waits for the database", error=str(error))
            except RigError:
                log.exception("the watch failed")

    async def look(self) -> None:
        """Look once."""
        for row in await self._at_rest():
            await self._tell(row["stream"], row["version"], c.NoticeStandstill(row["minutes"], row["fence"]))
        for pile in piled_up(await self._failures(), self.store.limits):
            await self._tell(pile.last.stream, pile.last.version, c.PauseRepository(pile.reason))

    async def spent(self, stream: str, key: str) -> None:
        """Stop the issue `key` of `stream` if it cost too much since it last got on."""
        for _ in range(ATTEMPTS):
            async with connection_of(self.store.pool) as connection:
                row = await connection.fetchrow(SQL["spent"], stream, key)
            if row is None or row["usd"] < self.store.limits.usd:
                return
            with suppress(Conflict):
                await handle(self.store, stream, c.RecordSpend(row["usd"]), "conductor", at=row["version"])
                return

    async def _at_rest(self) -> list[Any]:
        limits = self.store.limits
        async with connection_of(self.store.pool) as connection:
            claims = await connection.fetch(SQL["claims_at_rest"], limits.progress_minutes, limits.review_minutes)
            reviews = await connection.fetch(SQL["reviews_at_rest"], limits.review_minutes, self._reviewers)
            tests = await connection.fetch(SQL["ci_at_rest"], limits.ci_minutes)
            merges = await connection.fetch(SQL["merges_at_rest"], limits.merge_minutes, limits.ci_minutes)
            await connection.execute(SQL["forget_interrupts"])
        return [*claims, *reviews, *tests, *merges]

    async def _failures(self) -> list[Failure]:
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["failures"])
        named = [(row, failure_class(decode(row["type"], row["data"]))) for row in rows]
        return [
            Failure(row["position"], row["stream"], row["version"], row["repository"], name, row["open"])
            for row, name in named
            if name
        ]

    async def _tell(self, stream: str, version: int, command: c.Command) -> None:
        with suppress(Refused):
            await handle(self.store, stream, command, "conductor", at=version)
