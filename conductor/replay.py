"""Folds the log anew: proves that the projection equals it, rebuilds it, or shows the past."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import msgspec

from conductor.events import decode
from conductor.evolve import evolve
from conductor.issue import Issue
from conductor.records import issue_row
from conductor.store import SQL as STORE_SQL
from servers.kit.database import Connection, Pool, load_queries

PROJECTION = 2  # raise it when `evolve` or the projection's columns change their meaning
SQL = load_queries(Path(__file__).with_name("replay.sql"))


async def fold_all(connection: Connection, until: datetime | None = None) -> dict[str, tuple[int, Issue]]:
    """Every issue's version and state as the log up to `until` leaves it."""
    issues: dict[str, tuple[int, Issue]] = {}
    async for row in connection.cursor(SQL["issue_events"], until, prefetch=1000):
        _, issue = issues.get(row["stream"], (0, Issue()))
        issues[row["stream"]] = (row["version"], evolve(issue, decode(row["type"], row["data"])))
    return issues


async def differences(pool: Pool) -> AsyncGenerator[str]:
    """One sentence for each issue whose projection is not what the log says; none if all is well."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        folded = await fold_all(connection)
        rows = await connection.fetch(SQL["projected"])
        for row in rows:
            version, issue = folded.pop(row["stream"], (0, Issue()))
            if version != row["version"] or issue != msgspec.convert(row["data"], Issue):
                yield f"{row['stream']}: the projection at {row['version']} is not the log at {version}."
        for stream in folded:
            yield f"{stream}: the log has it, the projection does not."


async def rebuild(pool: Pool) -> int:
    """Write the projection anew from the log, under the writer's lock; how many issues there are."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(STORE_SQL["lock"])
        return await _rebuild(connection)


async def keep_current(pool: Pool) -> None:
    """Build the projection anew if other code wrote it; of several starting processes the first one does."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(STORE_SQL["lock"])
        if await connection.fetchval(SQL["projection_number"]) != PROJECTION:
            await _rebuild(connection)


async def _rebuild(connection: Connection) -> int:
    folded = await fold_all(connection)
    rows = [issue_row(issue, version) for version, issue in folded.values()]
    await connection.execute(SQL["clear"])
    await connection.execute(STORE_SQL["write_issues"], rows)
    await connection.execute(SQL["set_ages"])
    await connection.execute(SQL["set_projection_number"], PROJECTION)
    return len(rows)


async def as_of(pool: Pool, until: datetime) -> list[Issue]:
    """Every issue as it was at `until`."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        return [issue for _, issue in (await fold_all(connection, until)).values()]
