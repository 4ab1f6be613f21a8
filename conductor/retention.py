"""Forgets what has served its time, in small steps that hold up nobody; the log of events stays for ever."""

from __future__ import annotations

from pathlib import Path

import msgspec

from conductor.store.writer import Store, connection_of
from servers.kit.database import Pool, load_queries
from servers.kit.errors import Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("retention.sql"))
BATCH = 1000
DAY_SECONDS = 24 * 3600.0
AGAIN_SECONDS = 300.0
log = get(__name__)


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """How many days each kind is kept."""

    deliveries: float = 30
    redeliveries: float = 30
    log_lines: float = 30
    steps: float = 90
    transcripts: float = 30
    answers: float = 30
    agents: float = 30
    messages: float = 90
    effects: float = 90


async def forget(pool: Pool, ages: Ages) -> dict[str, int]:
    """Delete what is older than its age; how much of each kind that was.

    Raises:
        Unavailable: The database is away; what was deleted until then stays so.
    """
    return {kind: await _forget(pool, kind, getattr(ages, kind)) for kind in ages.__struct_fields__}


async def _forget(pool: Pool, kind: str, days: float) -> int:
    gone = 0
    while True:
        async with connection_of(pool) as connection:
            deleted = await connection.fetchval(SQL[f"forget_{kind}"], days, BATCH)
        gone += deleted
        if deleted < BATCH:
            return gone


class Retention:
    """Forgets once a day."""

    def __init__(self, store: Store, ages: Ages) -> None:
        self.store = store
        self.ages = ages

    async def run(self) -> None:
        """Forget at once and then daily, for ever; sooner again where the database was away."""
        while True:
            try:
                gone = await forget(self.store.pool, self.ages)
            except Unavailable as error:
                log.warning("retention waits for the database", error=str(error))
                await self.store.clock.sleep(AGAIN_SECONDS)
                continue
            if any(gone.values()):
                log.info("forgot what was too old", **gone)
            await self.store.clock.sleep(DAY_SECONDS)
