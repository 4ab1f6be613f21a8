"""Many at once over HTTP, and connections that are cut in the middle: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from conductor.events import IssueCancelled, MessageSent
from conductor.issues.evolve import evolve
from conductor.store.records import Append, ClaimRequest, Recorded
from conductor.store.replay import differences
from conductor.store.writer import Store
from servers.kit.database import Pool, open_pool
from servers.kit.errors import Conflict, Unavailable
from servers.kit.wake import LocalWake, background
from tests.conductor.conftest import Approve, Claimable
from tests.conductor.serving import Rig
from tests.fixtures_postgres import Databases
from tests.fixtures_waiting import Eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = 'rig' AND state <> 'idle' AND backend_type = 'client backend'
"""


@asynccontextmanager
async def cutting(databases: Databases) -> AsyncGenerator[None]:
    """Cut every connection that is at work, again and again."""

    async def cut() -> None:
        while True:
            await databases.administer(CUT)
            await asyncio.sleep(0.02)

    async with background(cut()):
        yield


async def until_available(work: Any) -> Any:
    """What `work` answers, asked again while the database is away."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await work()
            except Unavailable:
                await asyncio.sleep(0.01)


def said(stream: str, text: str, expected: int | None = None) -> Append:
    return Append(stream, expected, [MessageSent(sender="a", to="b", text=text)], "a", NOW)


async def test_every_assignment_has_one_winner_over_http(rig: Rig, claimable: Claimable, pool: Pool) -> None:
    issues = {await claimable() for _ in range(8)}
    agents = [await rig.caller("dev", f"dev-{n}") for n in range(20)]
    won = Counter(work["claim"]["issue"] for work in await asyncio.gather(*(a.claim() for a in agents)) if work)
    assert won == Counter(issues)
    assert [problem async for problem in differences(pool)] == []


async def test_two_writers_on_one_database_give_every_assignment_one_winner(
    database_url: str, store: Store, approve: Approve
) -> None:
    issues = [(await approve()).stream for _ in range(30)]
    async with open_pool(database_url) as pool:
        other = Store(pool, LocalWake(), limits=store.limits)
        async with background(other.run()):
            claims = [
                (store, other)[n % 2].claim(
                    ClaimRequest(agent=f"dev-{n}", role="dev", instance=f"dev-{n}", boot="1", run=str(n))
                )
                for n in range(60)
            ]
            won = [claimed.issue.stream for claimed in await asyncio.gather(*claims) if claimed]
    assert sorted(won) == sorted(issues)


async def test_appends_through_cut_connections_are_written_once_in_order(store: Store, databases: Databases) -> None:
    """A writer who does not know whether its append was written looks before it tries again."""

    async def write(n: int) -> None:
        stream = f"agent-{n}"
        for version in range(10):

            async def once(at: int = version) -> None:
                if len(await store.read(stream)) == at:
                    await store.append(said(stream, f"{n}.{at}", expected=at))

            await until_available(once)

    async with cutting(databases):
        await asyncio.gather(*(write(n) for n in range(20)))
    log = await store.read_after(0, 1000)
    assert [event.position for event in log] == list(range(1, 201))
    for n in range(20):
        assert [e.data["text"] for e in log if e.stream == f"agent-{n}"] == [f"{n}.{at}" for at in range(10)]


async def test_claims_through_cut_connections_have_one_winner_each(
    store: Store, approve: Approve, databases: Databases, pool: Pool
) -> None:
    issues = [(await approve()).stream for _ in range(20)]

    async def claim(n: int) -> str:
        request = ClaimRequest(agent=f"dev-{n}", role="dev", instance=f"dev-{n}", boot="1", run=str(n))
        return (await until_available(lambda: store.claim(request))).issue.stream

    async with cutting(databases):
        won = await asyncio.gather(*(claim(n) for n in range(20)))
    assert sorted(won) == sorted(issues)
    assert await pool.fetchval("SELECT count(*) FROM claims") == 20
    assert [problem async for problem in differences(pool)] == []


async def test_the_writer_goes_on_after_the_pool_was_exhausted(database_url: str) -> None:
    async with open_pool(database_url, size=1) as pool:
        store = Store(pool, LocalWake())
        async with background(store.run()):
            async with pool.acquire():
                waiting = asyncio.create_task(store.append(said("agent-x", "patient")))
                await asyncio.sleep(0)
                assert not waiting.done()
            assert (await asyncio.wait_for(waiting, 10)).version == 1


async def test_a_caller_who_goes_away_takes_nobody_with_it(store: Store) -> None:
    gone = [asyncio.create_task(store.append(said("agent-x", str(n)))) for n in range(10)]
    await asyncio.sleep(0)
    for task in gone[::2]:
        task.cancel()
    results = await asyncio.gather(*gone, return_exceptions=True)
    assert all(not isinstance(result, BaseException) for result in results[1::2])
    assert len(await store.read("agent-x")) >= 5


@pytest.mark.parametrize("poison", ["a\0b", "a\ud800b"], ids=["NUL", "half a character"])
async def test_text_that_cannot_be_stored_fails_alone(store: Store, poison: str) -> None:
    texts = [poison if n == 3 else str(n) for n in range(10)]
    appends = [store.append(said(f"agent-{n}", text)) for n, text in enumerate(texts)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, Exception)] == [3]


async def test_a_claim_is_found_though_many_better_ones_are_being_written(store: Store, approve: Approve) -> None:
    busy = [await approve("critical") for _ in range(5)]
    quiet = await approve()
    request = ClaimRequest(agent="dev", role="dev", instance="dev", boot="1", run="r")
    gone = IssueCancelled(reason="no", by="ada")
    changes = [Append(i.stream, 1, [gone], "ada", NOW, i, evolve(i, gone)) for i in busy]
    writing = asyncio.gather(*(store.append(change) for change in changes), return_exceptions=True)
    claimed, written = await asyncio.gather(store.claim(request), writing)
    assert claimed
    lost = [i.stream for i, outcome in zip(busy, written, strict=True) if isinstance(outcome, Conflict)]
    assert [claimed.issue.stream] == (lost or [quiet.stream])


async def test_a_writer_whose_idle_connection_was_cut_goes_on(
    store: Store, databases: Databases, database_url: str
) -> None:
    await store.append(said("agent-x", "before"))
    await databases.disconnect(database_url)
    assert (await until_available(lambda: store.append(said("agent-x", "after")))).version == 2


async def test_a_writer_that_is_killed_leaves_no_gap_and_holds_nobody_up(
    store: Store, database_url: str, eventually: Eventually
) -> None:
    command = (sys.executable, "-m", "bench.feed", database_url, "killed", "8", "1000000")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)

    async def written() -> bool:
        assert process.returncode is None
        return len(await store.read_after(50)) > 0

    await eventually(written)
    beside = asyncio.gather(*(store.append(said(f"agent-{n}", "beside")) for n in range(20)))
    process.kill()
    await process.wait()
    await beside
    assert (await store.append(said("agent-x", "after"))).version == 1
    log: list[Recorded] = []
    while page := await store.read_after(log[-1].position if log else 0):
        log += page
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    lengths = Counter(event.stream for event in log)
    assert all(event.version <= lengths[event.stream] for event in log)
