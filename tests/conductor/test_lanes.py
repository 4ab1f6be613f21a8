"""Whose effect it is: leases that are held, lost and taken over, and lanes that wait to be woken."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from conductor.effects.lanes import SQL as OF_LANES
from conductor.effects.lanes import Due, Lanes, Later, LeaseLost
from conductor.store.writer import SQL, Store
from servers.kit.database import Pool

STREAM = "issue-1-1"
_keys = count()


@pytest.fixture
def lanes(store: Store) -> Lanes:
    return Lanes(store)


async def queue(pool: Pool, *of: str, delay: float = 0) -> None:
    """An effect in each of these lanes."""
    await pool.execute(SQL["write_effects"], [_row(lane, delay) for lane in of])


def _row(lane: str, delay: float) -> dict[str, Any]:
    return {"key": f"k{next(_keys)}", "stream": STREAM, "lane": lane, "kind": "comment", "data": {}, "delay": delay}


async def only(lanes: Lanes) -> Due:
    (due,) = await lanes.take(10)
    return due


async def expire(pool: Pool) -> None:
    await pool.execute("UPDATE lanes SET due_at = now()")


async def states(pool: Pool) -> list[str]:
    return [row["state"] for row in await pool.fetch("SELECT state FROM effects ORDER BY id")]


async def test_a_lane_is_one_processs_at_a_time_and_in_order(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a", "a", "b")
    first = await lanes.take(10)
    assert sorted(due.lane for due in first) == ["a", "b"]
    assert await lanes.take(10) == []
    for due in first:
        assert await lanes.finish(due, "done")
    second = await only(lanes)
    assert (second.lane, second.id) == ("a", min(due.id for due in first) + 1)


async def test_an_empty_lane_leaves_nothing_behind_and_begins_again(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a")
    await lanes.finish(await only(lanes), "done")
    assert await pool.fetchval("SELECT count(*) FROM lanes") == 0
    await queue(pool, "a")
    assert (await only(lanes)).attempts == 1


async def test_who_was_taken_over_ends_nothing(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a", "a")
    late = await only(lanes)
    await expire(pool)
    heir = await only(lanes)
    assert (heir.id, heir.attempts) == (late.id, 2)
    assert not await lanes.finish(late, "done")
    assert not await lanes.postpone(late, 1, "no", 1)
    assert not await lanes.park(late, Later("no", 1))
    assert await states(pool) == ["waiting", "waiting"]
    assert await lanes.finish(heir, "done")
    assert not await lanes.finish(late, "failed"), "nor when the lane has gone on"
    assert await states(pool) == ["done", "waiting"]


async def test_a_fence_means_nothing_in_a_lane_that_began_again(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a")
    late = await only(lanes)
    await expire(pool)
    await lanes.finish(await only(lanes), "done")
    await queue(pool, "a")
    await only(lanes)
    assert not await lanes.finish(late, "failed")
    assert await states(pool) == ["done", "waiting"]


async def test_a_lease_is_held_as_long_as_the_work_takes(store: Store, pool: Pool) -> None:
    lanes = Lanes(store, lease_seconds=0.3)
    await queue(pool, "a")
    due = await only(lanes)
    async with lanes.held(due):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await asyncio.Event().wait()
        assert await lanes.take(10) == []
    assert await lanes.finish(due, "done")


async def test_work_stops_when_its_lease_is_lost(store: Store, pool: Pool) -> None:
    lanes = Lanes(store, lease_seconds=0.3)
    await queue(pool, "a")
    due = await only(lanes)
    await expire(pool)
    await only(lanes)
    with pytest.raises(LeaseLost):
        await _work_for_ever(lanes, due)


async def _work_for_ever(lanes: Lanes, due: Due) -> None:
    async with lanes.held(due):
        await asyncio.Event().wait()


async def test_what_waits_goes_on_when_it_is_woken(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a")
    await lanes.park(await only(lanes), Later("CI runs.", 60, data={"known": 1}))
    assert await lanes.take(10) == []
    await lanes.wake("a")
    due = await only(lanes)
    assert (due.data, due.attempts) == ({"known": 1}, 1)


async def test_a_wake_up_during_the_work_is_not_lost(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a")
    due = await only(lanes)
    await lanes.wake("a")
    assert await lanes.take(10) == [], "it is being done"
    await lanes.park(due, Later("CI runs.", 60))
    assert (await only(lanes)).id == due.id


async def test_an_effect_waits_until_another_lane_is_empty(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "merge", "issue", "issue")
    taken = {due.lane: due for due in await lanes.take(10)}
    await lanes.park(taken["merge"], Later("", 60, behind="issue"))
    await lanes.finish(taken["issue"], "done")
    last = await only(lanes)
    await lanes.finish(last, "done")
    assert (await only(lanes)).lane == "merge"


async def test_a_lane_that_emptied_before_it_was_waited_for_holds_nobody_up(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "merge")
    await lanes.park(await only(lanes), Later("", 60, behind="issue"))
    assert (await only(lanes)).lane == "merge"


async def test_a_busy_lane_lets_others_through(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, *["busy"] * 5, "other")
    done = [await _one(lanes) for _ in range(3)]
    assert "other" in done


async def _one(lanes: Lanes) -> str:
    (due,) = await lanes.take(1)
    await lanes.finish(due, "done")
    return due.lane


async def test_what_is_due_later_is_not_taken_now(lanes: Lanes, pool: Pool) -> None:
    await queue(pool, "a", delay=60)
    assert await lanes.take(10) == []
    assert await lanes.idle_seconds() == 5


async def test_effects_that_come_while_their_lane_ends_are_not_left_lying(lanes: Lanes, pool: Pool) -> None:
    total = 60

    async def write() -> None:
        for _ in range(total):
            await queue(pool, "a")

    async def work() -> None:
        while await pool.fetchval("SELECT count(*) FROM effects WHERE state = 'done'") < total:
            for due in await lanes.take(1):
                await lanes.finish(due, "done")

    async with asyncio.timeout(15):
        await asyncio.gather(write(), work(), work())
    assert await pool.fetchval("SELECT count(*) FROM lanes") == 0


async def test_finding_work_costs_the_same_however_much_waits(lanes: Lanes, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO effects (key, stream, lane, kind, data)"
        " SELECT 'm' || n, 's', 'lane' || n % 2000, 'comment', '{}' FROM generate_series(1, 20000) AS n"
    )
    await pool.execute("INSERT INTO lanes (lane) SELECT DISTINCT lane FROM effects")
    await pool.execute("ANALYZE")
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch("EXPLAIN " + _literal("lease"))
    plan = "\n".join(row[0] for row in rows)
    assert "lanes_due" in plan, plan


def _literal(query: str) -> str:
    return OF_LANES[query].replace("$1", "4").replace("$2", "15")
