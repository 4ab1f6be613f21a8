"""Who stands where in the merge trains, and how a train hears that it may go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conductor.effects.lanes import SQL as LANES
from conductor.issues.issue import Issue
from conductor.merge.train import Place, lane_of
from conductor.store.writer import EFFECTS, Store, connection_of
from servers.kit.database import Pool, load_queries
from servers.kit.errors import Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("places.sql"))
log = get(__name__)


async def places_of(pool: Pool, streams: Sequence[str]) -> dict[str, Place]:
    """Where the issues of `streams` stand, as far as they stand in a train."""
    if not streams:
        return {}
    async with connection_of(pool) as connection:
        rows = await connection.fetch(SQL["places"], list(streams))
    return {row["stream"]: Place(row["number"], row["ahead"], row["words"] or "") for row in rows}


async def go_on(store: Store, issue: Issue) -> None:
    """Something that the issue's train may wait for has happened."""
    async with connection_of(store.pool) as connection:
        await connection.execute(LANES["wake"], lane_of(issue))
    await store.wake.publish(EFFECTS)


async def leave(store: Store, issue: Issue, version: int) -> None:
    """The issue, at this version, is in no train any more: the next one goes on, and all move up."""
    try:
        async with connection_of(store.pool) as connection:
            await connection.execute(SQL["leave_train"], issue.stream)
            await connection.execute(LANES["wake"], lane_of(issue))
            await connection.execute(SQL["move_up"], lane_of(issue), f"{issue.stream}:{version}")
    except Unavailable as error:  # the train finds out by itself when it comes to the issue
        log.warning("a train was not told", issue=issue.key, error=str(error))
    await store.wake.publish(EFFECTS)
