"""The log tells everything again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from conductor.handler import handle
from conductor.issues import commands as c
from conductor.store.replay import PAGE, PROJECTION, as_of, differences, keep_current, rebuild
from conductor.store.writer import Store
from servers.kit.database import Pool, open_pool
from servers.kit.errors import NotFound
from tests.conductor.conftest import Approve

FORGE = "UPDATE issues SET data = jsonb_set(data, '{title}', '\"forged\"'), title = 'forged' WHERE number = $1"
OF_TOMORROW = """
    INSERT INTO events (position, stream, version, type, data, actor, occurred_at)
    SELECT max(position) + 1, $1, 2, 'OF_TOMORROW', '{}', 'ada', now() FROM events
"""


async def test_a_forged_projection_is_found_and_built_anew(store: Store, approve: Approve, pool: Pool) -> None:
    issue, _ = await approve(), await approve()
    await pool.execute(FORGE, issue.number)
    assert [issue.stream in problem for problem in [p async for p in differences(pool)]] == [True]
    assert await rebuild(pool) == 2
    assert [problem async for problem in differences(pool)] == []


async def test_an_issue_that_only_one_side_knows_is_found(store: Store, approve: Approve, pool: Pool) -> None:
    lost, invented = await approve(), await approve()
    await pool.execute("DELETE FROM issues WHERE stream = $1", lost.stream)
    await pool.execute("UPDATE issues SET stream = 'issue-0-0' WHERE stream = $1", invented.stream)
    assert sorted([problem.partition(":")[0] async for problem in differences(pool)]) == sorted(
        ["issue-0-0", lost.stream, invented.stream]
    )


async def test_what_is_written_while_the_projection_is_built_is_in_it(
    store: Store, approve: Approve, pool: Pool
) -> None:
    issues = [await approve() for _ in range(10)]
    async with asyncio.TaskGroup() as group:
        rebuilding = group.create_task(rebuild(pool))
        for issue in issues:
            group.create_task(handle(store, issue.stream, c.Cancel("no", "ada"), "ada"))
        await approve()
    assert rebuilding.result() >= 10
    assert [problem async for problem in differences(pool)] == []


async def test_a_projection_that_is_built_anew_keeps_when_issues_changed(
    store: Store, approve: Approve, pool: Pool
) -> None:
    issue = await approve()
    await handle(store, issue.stream, c.Cancel("no", "ada"), "ada")
    changed = await pool.fetchval("SELECT max(recorded_at) FROM events WHERE stream = $1", issue.stream)
    await rebuild(pool)
    assert await pool.fetchval("SELECT updated_at FROM issues WHERE stream = $1", issue.stream) == changed


async def test_a_projection_of_other_code_is_built_anew_at_start(store: Store, approve: Approve, pool: Pool) -> None:
    issue = await approve()
    await keep_current(pool)
    await pool.execute(FORGE, issue.number)
    await keep_current(pool)
    assert (await store.load(issue.stream))[1].title == "forged", "the same code leaves its projection alone"
    await pool.execute("UPDATE projections SET number = $1", PROJECTION + 1)
    await keep_current(pool)
    assert (await store.load(issue.stream))[1].title == issue.title


async def test_two_connections_are_enough_to_build_it_anew(
    store: Store, approve: Approve, pool: Pool, database_url: str
) -> None:
    issue = await approve()
    await pool.execute(FORGE, issue.number)
    await pool.execute("DELETE FROM projections")
    async with asyncio.timeout(10), open_pool(database_url, size=2) as small:
        await keep_current(small)
    assert [problem async for problem in differences(pool)] == []


async def test_a_log_that_cannot_be_read_leaves_the_projection_alone(
    store: Store, approve: Approve, pool: Pool
) -> None:
    issues = [await approve() for _ in range(PAGE + 1)]
    strange = (
        "INSERT INTO events SELECT position + 1, stream, 2, 'OF_TOMORROW', '{}', 'ada', NULL, NULL, now(), now()"
    )
    await pool.execute(f"{strange} FROM events WHERE stream = $1 AND version = 1", issues[-1].stream)
    with pytest.raises(NotFound, match="update the rig"):
        await rebuild(pool)
    assert await pool.fetchval("SELECT count(*) FROM issues") == len(issues)


async def test_the_past_is_shown_as_it_was(store: Store, approve: Approve, pool: Pool) -> None:
    issue = await approve()
    before = await pool.fetchval("SELECT max(recorded_at) FROM events")
    await handle(store, issue.stream, c.Cancel("no", "ada"), "ada")
    assert [past.status for past in await as_of(pool, before)] == ["queued"]
    assert [now.status for now in await as_of(pool, datetime.now(UTC) + timedelta(days=1))] == ["cancelled"]
