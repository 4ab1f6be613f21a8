"""Works off what the postbox kept: each delivery is translated and followed until it succeeds or is given up."""

from __future__ import annotations

import asyncio
from asyncio import FIRST_COMPLETED
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from conductor.intake.payload import parse, unpack
from conductor.intake.postbox import DELIVERIES
from conductor.intake.sight import SQL, Sights
from conductor.intake.translate import Sighting, translate
from conductor.store.writer import Store, connection_of
from conductor.text import storable
from servers.kit.database import Pool
from servers.kit.errors import InvalidInput, NotFound, Unavailable
from servers.kit.logs import get

BATCH = 50
BATCHES = 8
PATIENCE_SECONDS = 1.0
LOOK_SECONDS = 50.0  # less than the lease, so that nobody else looks as well
MAX_ATTEMPTS = 10
SURELY_GONE = 3  # GitHub shows what is new a little later than it tells of it
MAX_BACKOFF_SECONDS = 60.0
Outcomes = dict[Sighting, str | Exception | None]
log = get(__name__)


@dataclass(frozen=True)
class Ended:
    """What became of a delivery: `state` done, ignored or failed, with words where there is something to say."""

    state: str
    words: str | None = None


@dataclass(frozen=True)
class PutOff:
    """Try a delivery again in so many seconds."""

    seconds: float
    words: str


async def replay(pool: Pool, since: datetime | None = None) -> int:
    """Have stored deliveries, or those that came since then, translated again; how many that is.

    They only say where to look, so that doing it twice changes nothing.
    """
    async with connection_of(pool) as connection:
        return await connection.fetchval(SQL["replay_deliveries"], since)


class Translation:
    """Translates deliveries; several processes may do so at once, for each takes its own by a lease of 60 seconds."""

    def __init__(self, store: Store, sights: Sights) -> None:
        self.store = store
        self.sights = sights

    async def release(self) -> None:
        """Take back what a killed process was translating; only where no other process can be at it."""
        await self.store.persist(SQL["release_deliveries"])

    async def run(self) -> None:
        """Translate deliveries for ever; what waits for GitHub for long holds up what came later no more."""
        under_way: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                seen = self.store.wake.count(DELIVERIES)
                if rows := await self._leased():
                    under_way.add(group.create_task(self._work_off(rows)))
                    patience = PATIENCE_SECONDS if len(under_way) < BATCHES else None
                    _, under_way = await asyncio.wait(under_way, timeout=patience, return_when=FIRST_COMPLETED)
                else:
                    await self.store.wake.wait(DELIVERIES, 1.0, seen)

    async def work(self) -> int:
        """Translate what waits; how many deliveries there were."""
        rows = await self._leased()
        await self._work_off(rows)
        return len(rows)

    async def _leased(self) -> list[Any]:
        try:
            async with connection_of(self.store.pool) as connection:
                return await connection.fetch(SQL["lease_deliveries"], BATCH)
        except Unavailable as error:
            log.warning("deliveries wait for the database", error=str(error))
            return []

    async def _work_off(self, rows: list[Any]) -> None:
        """Deliveries that point at one thing share one look."""
        translated = {row["guid"]: _translated(row["event"], row["payload"]) for row in rows}
        wanted = dict.fromkeys(s for found in translated.values() if isinstance(found, list) for s in found)
        outcomes = await self._follow_all(list(wanted))
        await self._note({row["guid"]: _ended(row, translated[row["guid"]], outcomes) for row in rows})

    async def _follow_all(self, sightings: list[Sighting]) -> Outcomes:
        results = await asyncio.gather(*(self._follow(s) for s in sightings), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
        return dict(zip(sightings, cast("list[str | Exception | None]", results), strict=True))

    async def _follow(self, sighting: Sighting) -> str | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self.sights.follow(sighting)
        except TimeoutError as error:
            raise Unavailable(f"GitHub did not answer within {LOOK_SECONDS:g} seconds.") from error

    async def _note(self, ends: dict[str, Ended | PutOff]) -> None:
        over = [(guid, end.state, end.words) for guid, end in ends.items() if isinstance(end, Ended)]
        later = [(guid, end.seconds, end.words) for guid, end in ends.items() if isinstance(end, PutOff)]
        for query, rows in (("finish_deliveries", over), ("postpone_deliveries", later)):
            if rows:
                guids, what, words = zip(*rows, strict=True)
                said = [text and storable(text) for text in words]
                await self.store.persist(SQL[query], list(guids), list(what), said)


def _translated(event: str, payload: bytes) -> list[Sighting] | str | InvalidInput:
    try:
        return translate(event, parse(unpack(payload)))
    except InvalidInput as error:
        return error


def _ended(row: Any, found: list[Sighting] | str | InvalidInput, outcomes: Outcomes) -> Ended | PutOff:
    if isinstance(found, str):
        return Ended("ignored", found)
    if isinstance(found, InvalidInput):
        return Ended("failed", str(found))
    results = [outcomes[sighting] for sighting in found]
    errors = [result for result in results if isinstance(result, Exception)]
    if errors and isinstance(errors[0], NotFound) and row["attempts"] >= SURELY_GONE:
        return Ended("ignored", str(errors[0]))
    if errors and row["attempts"] < MAX_ATTEMPTS and not isinstance(errors[0], InvalidInput):
        log.info("delivery put off", guid=row["guid"], error=str(errors[0]))
        return PutOff(min(0.5 * 2 ** row["attempts"], MAX_BACKOFF_SECONDS), str(errors[0]))
    if errors:
        log.warning("delivery failed", guid=row["guid"], error=str(errors[0]))
        return Ended("failed", str(errors[0]))
    reasons = [result for result in results if isinstance(result, str)]
    return Ended("ignored" if len(reasons) == len(results) else "done", " ".join(reasons) or None)
