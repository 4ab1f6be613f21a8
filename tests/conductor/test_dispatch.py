"""Who gets which work, for how long, and who is told to stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conductor.dispatch.claims import Dispatch, kinds_for
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.store.records import Claimed
from conductor.store.writer import Store
from servers.kit.auth import Role
from servers.kit.character import Character, Git
from servers.kit.database import Pool
from servers.kit.errors import Fenced, NotFound, Superseded
from servers.kit.tools import Caller, Claim
from tests.conductor import histories as h
from tests.conductor.conftest import Approve

LAPSED = "UPDATE claims SET lease_until = now() - interval '61 seconds'"


def character(name: str, role: Any, *stacks: str) -> Character:
    who = Git(name=name, email=f"{name}@rig.test")
    return Character(name=name, role=role, stacks=list(stacks), personality="Works.", git=who)


CATALOGUE = {
    one.name: one
    for one in (
        character("dev-e", "dev", "python"),
        character("dev-x", "dev", "python", "node"),
        character("dev-net", "dev", "dotnet"),
        character("review-e", "review"),
    )
}


def caller(subject: str = "dev-e", role: Role = "dev", boot: str = "1", instance: str | None = None) -> Caller:
    return Caller(subject, role, instance or f"{subject}-1", boot, None, None)


@pytest.fixture
def dispatch(store: Store) -> Dispatch:
    return Dispatch(store, CATALOGUE)


class Desk:
    """Claims for somebody, and what they hold."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.dispatch = dispatch

    async def take(self, who: Caller, **options: Any) -> Issue | None:
        wait, stream = options.get("wait_seconds", 0), options.get("stream")
        claimed = await self.dispatch.claim(who, kinds_for(who.role), wait, stream)
        return claimed.issue if isinstance(claimed, Claimed) else None

    async def holds(self, issue: Issue, who: Caller) -> None:
        claim = Claim(issue=issue.key, fence=issue.fence)
        await self.dispatch.check(claim, who.subject, who.instance, who.boot)

    async def beats(self, issue: Issue, who: Caller) -> Any:
        return await self.dispatch.heartbeat(who, Claim(issue=issue.key, fence=issue.fence), "testing")


@pytest.fixture
def desk(dispatch: Dispatch) -> Desk:
    return Desk(dispatch)


async def taken(desk: Desk, who: Caller) -> Issue:
    issue = await desk.take(who)
    assert issue
    return issue


class TestALease:
    async def test_is_renewed_by_the_databases_clock(self, desk: Desk, approve: Approve, pool: Pool) -> None:
        await approve()
        issue = await taken(desk, caller())
        await pool.execute("UPDATE claims SET lease_until = now() + interval '1 second'")
        until = (await desk.beats(issue, caller())).until
        assert 85 < (until - await pool.fetchval("SELECT now()")).total_seconds() <= 90
        assert await pool.fetchval("SELECT step FROM claims") == "testing"

    async def test_holds_through_its_grace(self, desk: Desk, approve: Approve, pool: Pool) -> None:
        await approve()
        issue = await taken(desk, caller())
        await desk.beats(issue, caller())
        await pool.execute("UPDATE claims SET lease_until = now() - interval '55 seconds'")
        assert await desk.dispatch.expire() == 0
        await desk.holds(issue, caller())

    async def test_that_ended_is_a_strike_and_shuts_the_late_holder_out(
        self, desk: Desk, store: Store, approve: Approve, pool: Pool
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        await desk.beats(issue, caller())
        await pool.execute(LAPSED)
        assert await desk.dispatch.expire() == 1
        after = (await store.load(issue.stream))[1]
        assert (after.status, after.strikes) == ("queued", 1)
        for late in (desk.holds(issue, caller()), desk.beats(issue, caller())):
            with pytest.raises(Fenced, match="nobody holds it now"):
                await late

    async def test_that_is_being_ended_takes_no_heartbeat(
        self, desk: Desk, store: Store, approve: Approve, pool: Pool
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        await pool.execute("UPDATE claims SET lease_until = '-infinity'")
        with pytest.raises(Fenced):
            await desk.beats(issue, caller())
        assert await desk.dispatch.expire() == 1, "the end that a killed conductor left open is recorded"
        assert (await store.load(issue.stream))[1].holder is None

    async def test_without_any_heartbeat_ends_soon_and_without_a_strike(
        self, desk: Desk, store: Store, approve: Approve, pool: Pool
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        await pool.execute("UPDATE claims SET claimed_at = now() - interval '31 seconds'")
        await desk.dispatch.expire()
        after = (await store.load(issue.stream))[1]
        assert (after.status, after.strikes) == ("queued", 0)

    async def test_that_ends_a_second_time_asks_a_person(
        self, desk: Desk, store: Store, approve: Approve, pool: Pool
    ) -> None:
        issue = await approve()
        for name in ("dev-e", "dev-x"):
            await desk.beats(await taken(desk, caller(name)), caller(name))
            await pool.execute(LAPSED)
            await desk.dispatch.expire()
        assert (await store.load(issue.stream))[1].status == "escalated"


class TestAClaim:
    async def test_goes_to_a_restarted_process_and_the_old_one_is_told(self, desk: Desk, approve: Approve) -> None:
        await approve()
        old = await taken(desk, caller())
        new = await taken(desk, caller(boot="2"))
        await desk.holds(new, caller(boot="2"))
        for late in (desk.holds(old, caller()), desk.beats(old, caller())):
            with pytest.raises(Superseded, match="Another process of dev-e-1 took"):
                await late

    @pytest.mark.parametrize(
        "who",
        [caller("dev-x"), caller(instance="dev-e-2"), caller("ada", "person")],
        ids=["another agent", "another instance", "a person"],
    )
    async def test_is_nobody_elses(self, desk: Desk, approve: Approve, who: Caller) -> None:
        await approve()
        issue = await taken(desk, caller())
        with pytest.raises(Fenced, match="dev-e has it now"):
            await desk.holds(issue, who)
        with pytest.raises(Fenced):
            await desk.beats(issue, who)

    async def test_on_an_unknown_issue_is_not_found(self, desk: Desk) -> None:
        with pytest.raises(NotFound, match="does not know"):
            await desk.dispatch.stream_of("acme/nothing#1")

    async def test_by_the_same_instance_twice_at_once_is_one_claim(self, desk: Desk, approve: Approve) -> None:
        await approve()
        await approve()
        both = await asyncio.gather(desk.take(caller()), desk.take(caller()))
        assert both[0] == both[1]

    async def test_by_two_processes_of_one_instance_at_once_ends_with_one(
        self, desk: Desk, approve: Approve, pool: Pool
    ) -> None:
        await approve()
        await approve()
        both = await asyncio.gather(desk.take(caller(boot="1")), desk.take(caller(boot="2")))
        assert all(both)
        assert await pool.fetchval("SELECT count(*) FROM claims") == 1

    async def test_is_found_again_while_its_issue_is_being_written(
        self, desk: Desk, store: Store, approve: Approve
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        urgent = handle(store, issue.stream, c.Prioritize("high", "ada"), "ada")
        _, again = await asyncio.gather(urgent, desk.take(caller()))
        assert again
        assert again.fence == issue.fence

    async def test_that_was_handed_in_makes_room_for_other_work_after_a_restart(
        self, desk: Desk, store: Store, approve: Approve
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        await handle(store, issue.stream, c.ReportPullRequest(**h.held(issue), number=7, head="d" * 40), "dev-e")
        other = await approve()
        assert (await taken(desk, caller(boot="2"))).stream == other.stream
        assert (await store.load(issue.stream))[1].holder is None


class TestWork:
    async def test_of_another_role_or_stack_is_not_offered(self, desk: Desk, approve: Approve) -> None:
        await approve(stack="python")
        assert await desk.take(caller("dev-net")) is None
        assert await desk.take(caller("review-e", "review")) is None
        assert await desk.take(caller())

    async def test_that_an_agent_wrote_is_never_its_own_to_review(
        self, desk: Desk, store: Store, approve: Approve
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        await handle(store, issue.stream, c.ReportPullRequest(**h.held(issue), number=7, head="d" * 40), "dev-e")
        issue = (await store.load(issue.stream))[1]
        await handle(store, issue.stream, c.Complete(**h.held(issue)), "dev-e")
        await handle(store, issue.stream, h.look((await store.load(issue.stream))[1]), "github")
        assert await desk.take(caller("dev-e", "review")) is None
        assert await desk.take(caller("dev-e", "person")) is None
        assert await desk.take(caller("review-e", "review"))

    async def test_that_an_agent_failed_at_goes_to_another_first(
        self, desk: Desk, store: Store, approve: Approve, pool: Pool
    ) -> None:
        await approve()
        issue = await taken(desk, caller())
        await handle(store, issue.stream, c.ReportStuck(**h.held(issue), reason="cannot"), "dev-e")
        assert await desk.take(caller()) is None
        await pool.execute("UPDATE offers SET offered_at = now() - interval '11 minutes'")
        assert await desk.take(caller()), "where the other does not come, the same agent tries again"

    async def test_that_nobody_else_can_do_goes_back_to_the_same_agent(
        self, desk: Desk, store: Store, approve: Approve
    ) -> None:
        await approve(stack="dotnet")
        issue = await taken(desk, caller("dev-net"))
        await handle(store, issue.stream, c.ReportStuck(**h.held(issue), reason="cannot"), "dev-net")
        again = await taken(desk, caller("dev-net"))
        assert (again.attempt, again.evidence) == (2, "cannot")

    async def test_only_on_the_asked_issue(self, desk: Desk, approve: Approve) -> None:
        await approve("critical")
        wanted = await approve()
        assert await desk.take(caller(), stream=wanted.stream) is not None

    async def test_wakes_who_waits_for_it(self, desk: Desk, approve: Approve) -> None:
        waiting = asyncio.create_task(desk.take(caller(), wait_seconds=20))
        await asyncio.sleep(0)
        assert not waiting.done()
        issue = await approve()
        got = await asyncio.wait_for(waiting, 5)
        assert got
        assert got.stream == issue.stream

    async def test_is_not_lost_with_a_caller_who_goes_away(self, desk: Desk, approve: Approve) -> None:
        gone = [asyncio.create_task(desk.take(caller(f"gone-{n}"), wait_seconds=20)) for n in range(5)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await approve()
        await asyncio.gather(*gone, return_exceptions=True)
        assert await desk.take(caller())

    async def test_waits_no_longer_than_asked(self, desk: Desk) -> None:
        async with asyncio.timeout(5):
            assert await desk.take(caller(), wait_seconds=0.05) is None


PAUSE = "INSERT INTO pauses (scope, by) VALUES ($1, 'ada')"


@pytest.mark.parametrize(
    ("scope", "others"), [("rig", False), ("acme/tally", False), ("agent:dev-e", True), ("agent:nobody", None)]
)
async def test_a_pause_holds_back_new_work_of_its_scope(
    desk: Desk, approve: Approve, pool: Pool, scope: str, others: bool | None
) -> None:
    running, _ = await approve(), await approve()
    before = await taken(desk, caller("dev-x"))
    await pool.execute(PAUSE, scope)
    await desk.beats(before, caller("dev-x"))
    assert running.stream == before.stream
    mine = await desk.take(caller())
    assert (mine is not None) == (others is None)
    if others is not None:
        assert (await desk.take(caller("dev-x", instance="dev-x-2")) is not None) == others


class TestDemand:
    async def test_counts_what_each_character_could_do_or_does(self, desk: Desk, approve: Approve) -> None:
        await approve(stack="python")
        await approve(stack="")
        assert await desk.dispatch.demand() == {"dev-e": 2, "dev-x": 2, "dev-net": 1}
        await desk.take(caller())
        assert await desk.dispatch.demand() == {"dev-e": 2, "dev-x": 1, "dev-net": 1}

    async def test_is_nothing_for_new_work_while_paused(self, desk: Desk, approve: Approve, pool: Pool) -> None:
        await approve(stack="python")
        await pool.execute(PAUSE, "agent:dev-e")
        assert await desk.dispatch.demand() == {"dev-x": 1}
        await pool.execute(PAUSE, "rig")
        assert await desk.dispatch.demand() == {}

    async def test_a_paused_agent_is_not_started_for_what_it_holds(
        self, desk: Desk, approve: Approve, pool: Pool
    ) -> None:
        await approve(stack="python")
        await desk.take(caller())
        assert list(await desk.dispatch.holders()) == [caller().instance]
        await pool.execute(PAUSE, "agent:dev-e")
        assert (await desk.dispatch.demand(), await desk.dispatch.holders()) == ({}, {})


async def test_somebody_unknown_to_the_catalogue_may_work_too(desk: Desk, approve: Approve) -> None:
    await approve()
    assert await desk.take(caller("ada", "person"))
