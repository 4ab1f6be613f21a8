"""The log tells everything again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from conductor.handler import handle
from conductor.issues import commands as c
from conductor.store.replay import PROJECTION, as_of, differences, keep_current, rebuild
from conductor.store.writer import Store
from servers.kit.database import Pool
from tests.conductor.conftest import Approve

FORGE = "UPDATE issues SET data = jsonb_set(data, '{title}', '\"forged\"'), title = 'forged' WHERE number = $1"


async def test_a_forged_projection_is_found_and_built_anew(store: Store, approve: Approve, pool: Pool) -> None:
    issue, _ = await approve(), await approve()
    await pool.execute(FORGE, issue.number)
    assert [issue.stream in problem for problem in [p async for p in differences(pool)]] == [True]
    assert await rebuild(pool) == 2
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


async def test_the_past_is_shown_as_it_was(store: Store, approve: Approve, pool: Pool) -> None:
    issue = await approve()
    before = await pool.fetchval("SELECT max(recorded_at) FROM events")
    await handle(store, issue.stream, c.Cancel("no", "ada"), "ada")
    assert [past.status for past in await as_of(pool, before)] == ["queued"]
    assert [now.status for now in await as_of(pool, datetime.now(UTC) + timedelta(days=1))] == ["cancelled"]
