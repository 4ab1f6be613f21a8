"""What the writer promises to whoever appends, claims and reads."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from conductor.events import Escalated, MessageSent
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.store.records import Append, ClaimRequest
from conductor.store.replay import differences
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import Conflict, InvalidInput
from tests.conductor.conftest import Approve

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(text: str, stream: str = "agent-x", expected: int | None = None) -> Append:
    return Append(stream, expected, [MessageSent(sender="a", to="b", text=text)], "a", NOW)


def claimer(name: str, **changes: Any) -> ClaimRequest:
    fields: dict[str, Any] = {"agent": name, "role": "dev", "instance": name, "boot": "1", "run": f"run-{name}"}
    return ClaimRequest(**fields | changes)


async def test_positions_are_gapless_in_commit_order_however_many_append_at_once(store: Store) -> None:
    await asyncio.gather(*(store.append(said(str(n), f"agent-{n % 7}")) for n in range(200)))
    log = await store.read_after(0, 1000)
    assert [event.position for event in log] == list(range(1, 201))
    versions = Counter(event.stream for event in log)
    for stream, length in versions.items():
        assert [event.version for event in await store.read(stream)] == list(range(1, length + 1))


async def test_a_stream_that_moved_on_refuses_the_append_and_nothing_is_written(store: Store) -> None:
    await store.append(said("first", expected=0))
    with pytest.raises(Conflict, match="version 1, not 0"):
        await store.append(said("second", expected=0))
    assert len(await store.read("agent-x")) == 1


async def test_of_many_appends_at_one_version_exactly_one_is_written(store: Store) -> None:
    results = await asyncio.gather(
        *(store.append(said(str(n), expected=0)) for n in range(50)), return_exceptions=True
    )
    assert sum(not isinstance(result, Exception) for result in results) == 1


async def test_a_nul_character_fails_alone_and_takes_no_other_append_with_it(store: Store) -> None:
    appends = [said("a\0b" if n == 5 else str(n), f"agent-{n}") for n in range(20)]
    results = await asyncio.gather(*(store.append(append) for append in appends), return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, InvalidInput)] == [5]
    assert len(await store.read_after(0)) == 19


async def test_a_reader_that_follows_the_positions_never_misses_an_event(store: Store) -> None:
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 300:
            seen.extend(e.position for e in await store.read_after(seen[-1] if seen else 0))
            await asyncio.sleep(0)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(follow())
        for n in range(300):
            group.create_task(store.append(said(str(n), f"agent-{n}")))
    assert seen == list(range(1, 301))


async def test_every_assignment_gets_exactly_one_winner(store: Store, approve: Approve) -> None:
    issues = {(await approve()).stream for _ in range(12)}
    won = await asyncio.gather(*(store.claim(claimer(f"dev-{n}")) for n in range(40)))
    streams = [claimed.issue.stream for claimed in won if claimed]
    assert sorted(streams) == sorted(issues)


async def test_work_is_given_by_priority_and_then_by_age(store: Store, approve: Approve) -> None:
    numbers = [(await approve(priority)).number for priority in ("normal", "critical", "high", "critical")]
    order = [claimed.issue.number for n in range(4) if (claimed := await store.claim(claimer(f"dev-{n}")))]
    assert order == [numbers[1], numbers[3], numbers[2], numbers[0]]


async def test_the_same_process_gets_its_claim_again_with_the_same_fence(store: Store, approve: Approve) -> None:
    await approve()
    await approve()
    first, again = await store.claim(claimer("dev")), await store.claim(claimer("dev"))
    assert first
    assert again
    assert first.issue == again.issue


async def test_a_restarted_process_takes_its_claim_over_under_a_new_fence(store: Store, approve: Approve) -> None:
    await approve()
    first, second = await store.claim(claimer("dev")), await store.claim(claimer("dev", boot="2"))
    assert first
    assert second
    assert second.issue.stream == first.issue.stream
    assert second.issue.fence == first.issue.fence + 1


async def test_a_stack_that_the_agent_does_not_know_is_not_given_to_it(store: Store, approve: Approve) -> None:
    await approve(stack="dotnet")
    assert await store.claim(claimer("dev", stacks=("python",))) is None
    assert await store.claim(claimer("net", stacks=("dotnet",)))


async def test_the_projection_equals_the_log(store: Store, approve: Approve, pool: Pool) -> None:
    issues = [await approve() for _ in range(5)]
    await store.claim(claimer("dev"))
    await handle(store, issues[3].stream, c.Cancel("no", "ada"), "ada")
    assert [problem async for problem in differences(pool)] == []


async def test_the_effects_of_an_event_are_written_with_it(store: Store, approve: Approve, pool: Pool) -> None:
    issue = await approve()
    await handle(store, issue.stream, c.RecordEffectFailed("merge", "no"), "conductor")
    events = await store.read(issue.stream)
    assert events[-1].type == Escalated.type
    assert await pool.fetchval("SELECT kind FROM effects WHERE stream = $1", issue.stream) == "comment"
