"""What Valkey says of work follows from the database, whoever publishes and whatever Valkey forgets."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from conductor.dispatch.announce import Announcer
from conductor.dispatch.claims import Dispatch, kinds_for
from conductor.dispatch.outlook import outlook
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.store.records import Claimed
from conductor.store.writer import EVENTS, Store
from servers.kit.character import Character, Git
from servers.kit.database import Pool
from servers.kit.errors import Unavailable
from servers.kit.tools import Caller
from servers.kit.wake import background
from tests.conductor.conftest import Approve
from tests.conductor.histories import held
from tests.fixtures_valkey import Valkey
from tests.fixtures_waiting import Eventually

PAUSE = "INSERT INTO pauses (scope, by) VALUES ($1, 'ada')"


def character(name: str, role: Any = "dev", *stacks: str) -> Character:
    git = Git(name=name, email=f"{name}@rig.test")
    return Character(name=name, role=role, stacks=list(stacks), personality="Works.", git=git)


CATALOGUE = {
    one.name: one
    for one in (
        character("dev-e", "dev"),
        character("dev-e-python", "dev", "python"),
        character("dev-e-node", "dev", "node"),
        character("review-e", "review"),
    )
}


@dataclass
class Said:
    """What Valkey says."""

    valkey: Redis

    async def signal(self, name: str) -> list[str]:
        entries: Any = await self.valkey.lrange(f"signal:{name}", 0, -1)
        return [entry.decode() for entry in entries]

    async def stream(self, name: str) -> list[dict[str, str]]:
        entries: Any = await self.valkey.xrange(f"assignments:{name}")
        return [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in entries]

    async def issues(self, name: str) -> list[str]:
        return [fields["issue"] for fields in await self.stream(name)]


@pytest.fixture
async def said(valkey: Valkey) -> AsyncGenerator[Said]:
    async with valkey.client() as client:
        yield Said(client)


@pytest.fixture(autouse=True)
def room_for_many_issues(store: Store) -> None:
    store.limits = replace(store.limits, open_issues=10_000)


@pytest.fixture
def announcer(store: Store, said: Said) -> Announcer:
    return Announcer(store, said.valkey, CATALOGUE)


def agent(name: str, instance: str = "") -> Caller:
    role: Any = CATALOGUE[name].role
    return Caller(subject=name, role=role, instance=instance or name, boot="1", request_id="", claim=None)


async def claim(store: Store, name: str, issue: Issue, instance: str = "") -> Issue:
    dispatch = Dispatch(store, CATALOGUE)
    claimed = await dispatch.claim(agent(name, instance), kinds_for(CATALOGUE[name].role), 0, issue.stream)
    assert isinstance(claimed, Claimed)
    return claimed.issue


async def test_open_work_is_told_to_everybody_who_could_do_it_best_first(
    announcer: Announcer, said: Said, approve: Approve
) -> None:
    low, high = await approve(), await approve("critical")
    other = await approve(stack="node")
    await announcer.publish()
    assert await said.issues("dev-e") == [high.key, low.key, other.key]
    assert await said.issues("dev-e-python") == [high.key, low.key]
    assert await said.issues("dev-e-node") == [other.key]
    assert await said.issues("review-e") == []
    assert await said.signal("dev-e-python") == [f"{high.stream}:1:implement", f"{low.stream}:1:implement"]
    first = (await said.stream("dev-e-python"))[0]
    offered_at = first.pop("offered_at")
    assert offered_at.endswith("+00:00")
    assert first == {
        "id": f"{high.stream}:1:implement",
        "issue": high.key,
        "kind": "implement",
        "priority": "critical",
        "fence": "1",
        "attempt": "1",
    }


async def test_each_assignment_is_announced_once_and_the_signal_counts_what_is_in_flight(
    announcer: Announcer, store: Store, said: Said, approve: Approve
) -> None:
    mine, theirs = await approve(), await approve()
    for _ in range(3):
        await announcer.publish()
    await claim(store, "dev-e-python", mine)
    for _ in range(3):
        await announcer.publish()
    assert Counter(await said.issues("dev-e")) == Counter([mine.key, theirs.key])
    assert await said.signal("dev-e-python") == [f"{theirs.stream}:1:implement", f"{mine.stream}:1:implement"]
    assert await said.signal("dev-e") == [f"{theirs.stream}:1:implement"]


async def test_work_that_was_given_back_is_another_assignment(
    announcer: Announcer, store: Store, said: Said, approve: Approve
) -> None:
    issue = await approve()
    await announcer.publish()
    taken = await claim(store, "dev-e", issue)
    await handle(store, issue.stream, c.Release(**held(taken), reason="no"), "dev-e")
    await announcer.publish()
    ids = [fields["id"] for fields in await said.stream("dev-e")]
    assert ids == [f"{issue.stream}:1:implement", f"{issue.stream}:2:implement"]


async def test_after_everything_was_flushed_the_next_publish_restores_it(
    announcer: Announcer, said: Said, approve: Approve
) -> None:
    issues = [await approve() for _ in range(3)]
    await announcer.publish()
    before = await said.signal("dev-e"), await said.issues("dev-e")
    await said.valkey.flushall()
    await announcer.publish()
    assert (await said.signal("dev-e"), await said.issues("dev-e")) == before
    assert before[1] == [issue.key for issue in issues]


@pytest.mark.parametrize("lost", ["signal", "assignments", "announced", "announcing"])
async def test_any_key_may_be_lost_alone(announcer: Announcer, said: Said, approve: Approve, lost: str) -> None:
    issue = await approve()
    await announcer.publish()
    await said.valkey.delete(f"{lost}:dev-e")
    await announcer.publish()
    assert await said.signal("dev-e") == [f"{issue.stream}:1:implement"]
    assert set(await said.issues("dev-e")) == {issue.key}


async def test_a_foreign_hand_in_the_list_is_undone(announcer: Announcer, said: Said, approve: Approve) -> None:
    await approve()
    await announcer.publish()
    before = await said.signal("dev-e")
    await said.valkey.lpush("signal:dev-e", "rubbish")
    await announcer.publish()
    assert await said.signal("dev-e") == before


async def test_what_the_stream_lost_by_trimming_is_announced_again(
    announcer: Announcer, said: Said, approve: Approve
) -> None:
    first, second = await approve(), await approve()
    await announcer.publish()
    await said.valkey.xtrim("assignments:dev-e", maxlen=1, approximate=False)
    await announcer.publish()
    assert await said.issues("dev-e") == [second.key, first.key]


async def test_what_stays_open_for_long_is_announced_again_with_the_same_id(
    store: Store, said: Said, approve: Approve
) -> None:
    await approve()
    announcer = Announcer(store, said.valkey, CATALOGUE, repeat_milliseconds=0)
    for _ in range(3):
        await announcer.publish()
    assert len(await said.stream("dev-e")) == 3
    assert len({fields["id"] for fields in await said.stream("dev-e")}) == 1


async def test_a_restarted_valkey_that_knows_no_script_is_told_everything(
    announcer: Announcer, said: Said, valkey: Valkey, approve: Approve
) -> None:
    issue = await approve()
    await announcer.publish()
    await valkey.kill()
    with pytest.raises(Unavailable):
        await announcer.publish()
    await valkey.start()
    await announcer.publish()
    assert await said.issues("dev-e") == [issue.key]


async def test_many_who_publish_at_once_announce_each_assignment_once(
    store: Store, valkey: Valkey, said: Said, approve: Approve
) -> None:
    async with valkey.client() as one, valkey.client() as two, valkey.client() as three:
        all_of_them = [Announcer(store, client, CATALOGUE) for client in (one, two, three)]

        async def publish(announcer: Announcer) -> None:
            for _ in range(15):
                await announcer.publish()

        async with asyncio.TaskGroup() as group:
            for announcer in all_of_them:
                group.create_task(publish(announcer))
            issues = [await approve() for _ in range(20)]
        await all_of_them[0].publish()
    assert Counter(await said.issues("dev-e")) == Counter(issue.key for issue in issues)


async def test_a_look_from_before_does_not_undo_a_later_one(store: Store, said: Said, approve: Approve) -> None:
    late, early = Announcer(store, said.valkey, CATALOGUE), Announcer(store, said.valkey, CATALOGUE)
    issue = await approve()
    old = await outlook(store, CATALOGUE)
    await claim(store, "dev-e-python", issue)
    await late.publish()
    for name in CATALOGUE:
        await early.tell(old, name)
    assert await said.signal("dev-e") == []
    assert await said.signal("dev-e-python") == [f"{issue.stream}:1:implement"]


@pytest.mark.parametrize("scope", ["rig", "acme/tally", "agent:dev-e"])
async def test_what_is_paused_is_not_announced_until_it_resumes(
    announcer: Announcer, said: Said, pool: Pool, approve: Approve, scope: str
) -> None:
    await pool.execute(PAUSE, scope)
    issue = await approve()
    await announcer.publish()
    assert await said.signal("dev-e") == await said.stream("dev-e") == []
    assert bool(await said.stream("dev-e-python")) == (scope == "agent:dev-e")
    await pool.execute("DELETE FROM pauses")
    await announcer.publish()
    assert await said.issues("dev-e") == [issue.key]


async def test_the_announced_work_is_what_a_claimer_would_be_offered(
    announcer: Announcer, store: Store, said: Said, pool: Pool, approve: Approve
) -> None:
    issues = [await approve(stack=stack) for stack in ("python", "node", "", "python", "rust")]
    for statement, value in (
        ("UPDATE offers SET preferred = $2 WHERE stream = $1", "dev-e"),
        ("UPDATE offers SET avoided = ARRAY[$2] WHERE stream = $1", "dev-e-node"),
        ("UPDATE offers SET excluded = ARRAY[$2] WHERE stream = $1", "dev-e"),
        ("UPDATE offers SET only_for = $2 WHERE stream = $1", "dev-e-python"),
    ):
        await pool.execute(statement, issues.pop().stream, value)
    await pool.execute(PAUSE, "agent:dev-e-node")
    await announcer.publish()
    dispatch = Dispatch(store, CATALOGUE)
    for name, known in CATALOGUE.items():
        request = dispatch._request(agent(name), kinds_for(known.role), None)  # pyright: ignore[reportPrivateUsage]
        assert await said.issues(name) == [issue.key for issue in await store.offered(request, 100)]


async def test_of_a_repository_only_as_many_issues_are_announced_as_may_be_in_work(
    announcer: Announcer, store: Store, said: Said, approve: Approve
) -> None:
    store.limits = replace(store.limits, open_issues=2)
    node = [await approve("high", stack="node") for _ in range(2)]
    python = [await approve(stack="python") for _ in range(3)]
    await announcer.publish()
    assert await said.issues("dev-e") == await said.issues("dev-e-node") == [issue.key for issue in node]
    assert await said.issues("dev-e-python") == [issue.key for issue in python[:2]]
    await claim(store, "dev-e-python", python[0])
    await announcer.publish()
    assert await said.signal("dev-e-python") == [f"{python[1].stream}:1:implement", f"{python[0].stream}:1:implement"]
    assert await said.signal("dev-e-node") == [f"{node[0].stream}:1:implement"]
    await claim(store, "dev-e", node[0])
    await announcer.publish()
    assert await said.signal("dev-e-node") == []
    assert await Dispatch(store, CATALOGUE).demand() == {"dev-e": 1, "dev-e-python": 1}


async def test_a_preference_ends_and_the_others_are_told(
    store: Store, said: Said, pool: Pool, approve: Approve
) -> None:
    issue = await approve()
    await pool.execute("UPDATE offers SET preferred = 'dev-e'")
    announcer = Announcer(store, said.valkey, CATALOGUE)
    await announcer.publish()
    assert (await said.issues("dev-e"), await said.issues("dev-e-python")) == ([issue.key], [])
    store.affinity = timedelta(0)
    await announcer.publish()
    assert await said.issues("dev-e-python") == [issue.key]


async def test_commits_are_announced_by_themselves_and_a_flush_is_repaired(
    announcer: Announcer, store: Store, said: Said, approve: Approve, eventually: Eventually
) -> None:
    async with background(announcer.run()):
        issue = await approve()

        async def told() -> bool:
            return await said.issues("dev-e") == [issue.key]

        await eventually(told)
        await said.valkey.flushall()
        await store.wake.publish(EVENTS)
        await eventually(told)


async def test_thousands_of_assignments_are_one_publish(announcer: Announcer, said: Said, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO offers (stream, repository_id, repository, number, priority, kind, role)"
        " SELECT 'issue-77-' || n, 77, 'acme/tally', n, 2, 'implement', 'dev'"
        " FROM generate_series(1, 2500) n"
    )
    await announcer.publish()
    await said.valkey.flushall()
    await announcer.publish()
    assert len(await said.stream("dev-e")) == await said.valkey.llen("signal:dev-e") == 2500
