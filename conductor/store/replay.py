"""Folds the log anew: proves that the projection equals it, rebuilds it, or shows the past."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from conductor.events import decode
from conductor.issues.evolve import evolve
from conductor.issues.issue import Issue
from conductor.store.records import encode, issue_row
from conductor.store.writer import SQL as STORE_SQL
from servers.kit.database import Connection, Pool, load_queries

PROJECTION = 2  # raise it when `evolve` or the projection's columns change their meaning
SQL = load_queries(Path(__file__).with_name("replay.sql"))
PAGE = 5_000
Fold = dict[str, tuple[int, Issue]]
_NOTHING = (0, Issue())


async def fold_all(
    connection: Connection, until: datetime | None = None, after: int = 0, onto: Fold | None = None
) -> tuple[Fold, int]:
    """Every issue's version and state as the log up to `until` leaves it, and the last position that was read.

    Args:
        after: Where to begin.
        onto: What the log up to there had led to.
    """
    issues: Fold = {} if onto is None else onto
    cursor = await connection.cursor(SQL["issue_events"], until, after)
    while rows := await cursor.fetch(PAGE):
        for after, stream, version, kind, data in rows:  # noqa: B007 - the last one is where it ends
            _, issue = issues.get(stream, _NOTHING)
            issues[stream] = version, evolve(issue, decode(kind, data))
    return issues, after


async def differences(pool: Pool) -> AsyncGenerator[str]:
    """One sentence for each issue whose projection is not what the log says; none if all is well."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        folded, _ = await fold_all(connection)
        rows = await connection.fetch(SQL["projected"])
        for row in rows:
            version, issue = folded.pop(row["stream"], _NOTHING)
            if version != row["version"] or issue != msgspec.convert(row["data"], Issue):
                yield f"{row['stream']}: the projection at {row['version']} is not the log at {version}."
        for stream in folded:
            yield f"{stream}: the log has it, the projection does not."


async def rebuild(pool: Pool) -> int:
    """Write the projection anew from the log; how many issues there are.

    It is made beside the old one, which is in use meanwhile. Only what was appended since is folded, and the new
    rows take the old ones' place, under the writer's lock.
    """
    async with pool.acquire() as connection:
        async with connection.transaction():
            folded, position = await fold_all(connection)
        async with connection.transaction():
            await connection.execute(SQL["stage"])
            await _stage(connection, folded)
            await connection.execute(STORE_SQL["lock"])
            since, _ = await fold_all(connection, after=position, onto=_Changes(folded))
            await connection.execute(SQL["unstage"], list(since))
            await _stage(connection, dict(since))
            await connection.execute(SQL["set_ages"])
            await connection.execute(SQL["swap"])
            await connection.execute(SQL["set_projection_number"], PROJECTION)
    return len(folded.keys() | since.keys())


class _Changes(Fold):
    """What changed on top of a fold that stays as it is."""

    def __init__(self, below: Fold) -> None:
        super().__init__()
        self._below = below

    def get(self, stream: str, default: Any = None) -> Any:
        return super().get(stream) or self._below.get(stream, default)


async def _stage(connection: Connection, folded: Fold) -> None:
    now = datetime.now(UTC)
    ages = {"created_at": now, "updated_at": now, "offered_at": None}
    rows = (encode(issue_row(issue, version) | ages) for version, issue in folded.values())
    while page := b",".join(islice(rows, PAGE)):
        await connection.execute(SQL["stage_issues"], f"[{page.decode()}]")


async def keep_current(pool: Pool) -> None:
    """Build the projection anew if other code wrote it; of several starting processes the first one does."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(SQL["lock_rebuild"])
        current = await connection.fetchval(SQL["projection_number"]) == PROJECTION
        if not current:
            await rebuild(pool)


async def as_of(pool: Pool, until: datetime) -> list[Issue]:
    """Every issue as it was at `until`."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        folded, _ = await fold_all(connection, until)
        return [issue for _, issue in folded.values()]
