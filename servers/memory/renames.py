"""Lets what is remembered of a repository follow it to a new name."""

from __future__ import annotations

from pathlib import Path

from servers.kit.database import Connection, load_queries
from servers.memory.indexing import SQL as WRITING
from servers.memory.indexing import Counts, take_out

SQL = load_queries(Path(__file__).with_name("renames.sql"))
WHY = "said under the repository's new name too"


async def follow(connection: Connection, counts: Counts, repository: int, scope: int, by: str) -> int:
    """Bring all memories of a repository into the scope of today's name; how many moved.

    What both scopes say becomes one memory, which keeps the uses of both.

    Args:
        repository: GitHub's number, which no renaming changes.
    """
    moving: dict[int, list[int]] = {}
    for held in await connection.fetch(SQL["left_behind"], repository, scope):
        if held["same"] is None:
            moving.setdefault(held["scope_id"], []).append(held["id"])
            if held["indexed"]:
                counts.add(held["id"], held["scope_id"], held["terms"], -1)
                counts.add(held["id"], scope, held["terms"], 1)
        elif held["indexed"]:
            await take_out(connection, counts, held)
            await connection.execute(WRITING["pass_uses_on"], held["id"], held["same"])
            await connection.execute(WRITING["pass_marks_on"], held["id"], held["same"])
            await connection.execute(WRITING["count_uses"], held["same"])
            await connection.execute(WRITING["retire"], held["id"], held["same"], by, WHY)
            counts.touch(held["same"], scope)
    for place, memories in moving.items():
        await connection.execute(SQL["move"], memories, place, scope)
    await connection.execute(SQL["move_graves"], repository, scope)
    return sum(map(len, moving.values()))
