"""Folds the log anew, issue by issue: proves that the projection equals it, rebuilds it, or shows the past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from conductor.events import decode
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue, in_work
from conductor.store.records import encode, issue_row, offer_row
from conductor.store.writer import SQL as STORE_SQL
from servers.kit.database import Connection, Pool, load_queries

PROJECTION = 4  # raise it when `evolve` or the projection's columns change their meaning
SQL = load_queries(Path(__file__).with_name("replay.sql"))
PAGE = 100  # issues


class Folded(NamedTuple):
    """What the log makes of an issue, and when its first and its newest event were recorded."""

    issue: Issue
    version: int
    first: datetime
    newest: datetime


def fold_all(
    connection: Connection, last: int | None = None, until: datetime | None = None
) -> AsyncGenerator[list[Folded]]:
    """Every issue, as the log up to `last` and `until` leaves it, ordered by stream in pages."""
    return _folded_pages(connection, SQL["lives"], last, until)


async def _folded_pages(connection: Connection, query: str, *arguments: object) -> AsyncGenerator[list[Folded]]:
    cursor = await connection.cursor(query, *arguments)
    rows = await cursor.fetch(PAGE)
    while rows:
        coming = asyncio.ensure_future(cursor.fetch(PAGE))  # the database reads on while we fold
        try:
            page = [await _folded(*row) for row in rows]
        finally:
            await asyncio.wait([coming])
        yield page
        rows = coming.result()


async def _folded(types: list[str], data: list[str], version: int, first: datetime, newest: datetime) -> Folded:
    await asyncio.sleep(0)  # so that what the database sends is taken in
    return Folded(fold(map(decode, types, data)), version, first, newest)


async def differences(pool: Pool) -> AsyncGenerator[str]:
    """One sentence for each issue whose projection is not what the log says; none if all is well."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = {row["stream"]: row for row in await connection.fetch(SQL["projected"])}
        async for page in fold_all(connection):
            for issue, version, *_ in page:
                row = rows.pop(issue.stream, None)
                if row is None:
                    yield f"{issue.stream}: the log has it, the projection does not."
                elif version != row["version"] or issue != msgspec.convert(row["data"], Issue):
                    yield f"{issue.stream}: the projection at {row['version']} is not the log at {version}."
        for stream, row in rows.items():
            yield f"{stream}: the projection at {row['version']} is not in the log."


async def rebuild(pool: Pool) -> int:
    """Write the projection anew from the log; how many issues there are."""
    async with pool.acquire() as connection, connection.transaction():
        return await _rebuild(connection, pool)


async def _rebuild(connection: Connection, pool: Pool) -> int:
    """Made beside the old projection, which is in use meanwhile.

    Only what changed since is folded again, and the new rows take the old ones' place, under the writer's lock.
    """
    async with pool.acquire() as reader, reader.transaction():
        last = await connection.fetchval(SQL["last"])
        await connection.execute(SQL["stage"])
        await _stage(connection, fold_all(reader, last))
        await connection.execute(STORE_SQL["lock"])
        changed = await connection.fetchval(SQL["changed"], last)
        await connection.execute(SQL["unstage"], changed)
        await _stage(connection, _folded_pages(reader, SQL["lives_of"], changed))
    issues = await connection.fetchval(SQL["staged"])
    await connection.execute(SQL["swap"])
    await connection.execute(SQL["set_projection_number"], PROJECTION)
    return issues


async def _stage(connection: Connection, pages: AsyncIterable[list[Folded]]) -> None:
    """Write the new rows, each page while the next one is folded."""
    writing: asyncio.Future[str] | None = None
    try:
        async for page in pages:
            rows = b",".join(encode(_row(folded)) for folded in page)
            if writing:
                await writing
            writing = asyncio.ensure_future(connection.execute(SQL["stage_issues"], f"[{rows.decode()}]"))
    finally:
        if writing:
            await writing


def _row(folded: Folded) -> dict[str, Any]:
    """As old as its first event, by which work is picked; an offer is taken to be as old as the newest."""
    issue, work = folded.issue, offer_row(folded.issue)
    waits = work and work | {"created_at": folded.first, "offered_at": folded.newest}
    row = issue_row(issue, folded.version) | {"created_at": folded.first, "updated_at": folded.newest}
    return row | {"data": issue, "offer": waits, "in_work": in_work(issue)}


async def keep_current(pool: Pool) -> None:
    """Build the projection anew if other code wrote it; of several starting processes the first one does."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(SQL["lock_rebuild"])
        current = await connection.fetchval(SQL["projection_number"]) == PROJECTION
        if not current:
            await _rebuild(connection, pool)


async def as_of(pool: Pool, until: datetime) -> list[Issue]:
    """Every issue as it was at `until`."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        return [folded.issue async for page in fold_all(connection, until=until) for folded in page]
