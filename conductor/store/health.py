"""Whether the event store is what everybody relies on: gapless at its tail, and nothing unprojected."""

from __future__ import annotations

from pathlib import Path

from conductor.store.writer import connection_of
from servers.kit.database import Pool, load_queries

SQL = load_queries(Path(__file__).with_name("health.sql"))
TAIL = 10_000


async def problems(pool: Pool) -> list[str]:
    """What is wrong with the newest events and the projection of their issues, in sentences; none if all is well.

    Raises:
        Unavailable: The database cannot be reached.
    """
    async with connection_of(pool) as connection:
        [seen] = await connection.fetch(SQL["tail"], TAIL)
    said = {
        "missing": "{} positions are missing among the newest events.",
        "behind": "{} issues are not projected up to their newest event; `rig replay` names them.",
    }
    return [words.format(seen[name]) for name, words in said.items() if seen[name]]
