"""What the watch finds: standstill, failures that pile up, money that buys nothing; by the database's clock alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from conductor import events as e
from conductor.dispatch.watch import Watch
from conductor.handler import handle, record
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.issues.words import waits_for
from conductor.merge.snapshot import Check
from conductor.store.writer import Store
from servers.kit.clock import ManualClock
from servers.kit.database import Pool
from servers.kit.wake import LocalWake, background
from tests.conductor import histories as h
from tests.conductor.conftest import Approve
from tests.conductor.samples import NEXT_HEAD

HEAD = "d" * 40
REST = "UPDATE issues SET updated_at = now() - $1 * interval '1 minute'"
STEP = "UPDATE claims SET step_at = now() - $1 * interval '1 minute'"
OFFERED = "UPDATE offers SET offered_at = now() - $1 * interval '1 minute'"


class Scene:
    """Issues on the database, told what happens to them, and looked at by the watch."""

    def __init__(self, store: Store, approve: Approve, pool: Pool) -> None:
        self.store, self.approve, self.pool = store, approve, pool
        self.watch = Watch(store, ["review-e"])

    async def tell(self, issue: Issue, *commands: c.Command) -> Issue:
        for command in commands:
            issue = (await handle(self.store, issue.stream, command, "test")).issue
        return issue

    async def now(self, issue: Issue) -> Issue:
        return (await self.store.load(issue.stream))[1]

    async def looked(self, issue: Issue) -> Issue:
        await self.watch.look()
        return await self.now(issue)

    async def working(self, agent: str = "dev-e") -> Issue:
        issue = await self.tell(await self.approve(), h.assign(agent))
        return await self.tell(issue, c.StartWork(**h.held(issue)))

    async def pushed(self) -> Issue:
        issue = await self.working()
        issue = await self.tell(issue, c.ReportPullRequest(**h.held(issue), number=issue.number + 500, head=HEAD))
        return await self.tell(issue, c.Complete(**h.held(issue)))

    async def in_review(self) -> Issue:
        issue = await self.pushed()
        return await self.tell(issue, h.look(issue))

    async def ready(self, **changes: Any) -> Issue:
        issue = await self.tell(await self.in_review(), h.assign(h.REVIEWER, "review"))
        issue = await self.tell(issue, h.verdict(issue, head=HEAD))
        return await self.tell(issue, h.look(issue, **changes))

    async def spends(self, issue: Issue, usd: float, key: str = "") -> Issue:
        usage = e.TokenUsage(agent="dev-e", run="r", issue=key or issue.key, model="m", usd=Decimal(str(usd)))
        await record(self.store, "run-r", usage, "dev-e")
        await self.watch.spent(issue.stream, issue.key)
        return await self.now(issue)


@pytest.fixture
def scene(store: Store, approve: Approve, pool: Pool) -> Scene:
    return Scene(store, approve, pool)


class TestWorkWithoutProgress:
    async def test_is_a_strike_and_another_agents_turn(self, scene: Scene) -> None:
        issue = await scene.working()
        await scene.pool.execute(REST, 31)
        await scene.pool.execute(STEP, 31)
        issue = await scene.looked(issue)
        assert (issue.status, issue.holder, issue.strikes) == ("queued", None, 1)
        assert issue.evidence == "No progress for 30 minutes."

    @pytest.mark.parametrize(("events", "steps"), [(31, 29), (29, 31)])
    async def test_is_none_with_an_event_or_another_step(self, scene: Scene, events: int, steps: int) -> None:
        issue = await scene.working()
        await scene.pool.execute(REST, events)
        await scene.pool.execute(STEP, steps)
        assert (await scene.looked(issue)).holder == issue.holder

    async def test_of_a_reviewer_shows_sooner(self, scene: Scene) -> None:
        issue = await scene.tell(await scene.in_review(), h.assign(h.REVIEWER, "review"))
        await scene.pool.execute(REST, 21)
        await scene.pool.execute(STEP, 21)
        issue = await scene.looked(issue)
        assert (issue.status, issue.holder, issue.struck) == ("in_review", None, [h.REVIEWER])

    async def test_of_a_person_is_their_own_affair(self, scene: Scene) -> None:
        issue = await scene.working("ada")
        await scene.pool.execute("INSERT INTO agents (agent, instance, role) VALUES ('ada', 'ada', 'person')")
        await scene.pool.execute(REST, 99)
        await scene.pool.execute(STEP, 99)
        assert (await scene.looked(issue)).holder == issue.holder

    async def test_is_found_once_by_several_processes(self, scene: Scene, store: Store) -> None:
        issue = await scene.working()
        await scene.pool.execute(REST, 31)
        await scene.pool.execute(STEP, 31)
        await asyncio.gather(*(Watch(store).look() for _ in range(4)))
        assert (await scene.now(issue)).strikes == 1


class TestAReviewThatNobodyTakes:
    async def test_asks_a_person(self, scene: Scene) -> None:
        issue = await scene.in_review()
        assert (await scene.looked(issue)).status == "in_review"
        await scene.pool.execute(OFFERED, 21)
        issue = await scene.looked(issue)
        assert (issue.status, issue.escalation) == ("escalated", "No reviewer took it for 20 minutes.")

    @pytest.mark.parametrize("scope", ["rig", "acme/tally", "agent:review-e"])
    async def test_is_nobodys_fault_while_a_pause_holds_and_just_after(self, scene: Scene, scope: str) -> None:
        issue = await scene.in_review()
        await record(scene.store, "rig", e.RigPaused(scope=scope, by="ada"), "ada")
        await scene.pool.execute(OFFERED, 21)
        assert (await scene.looked(issue)).status == "in_review"
        await record(scene.store, "rig", e.RigResumed(scope=scope, by="ada"), "ada")
        assert (await scene.looked(issue)).status == "in_review"
        await scene.pool.execute("UPDATE events SET recorded_at = now() - interval '21 minutes'")
        assert (await scene.looked(issue)).status == "escalated"


class TestCIThatNeverReports:
    async def test_asks_a_person_and_says_that_nothing_merges_without_it(self, scene: Scene) -> None:
        issue = await scene.pushed()
        issue = await scene.tell(issue, h.look(issue, checks=[], checks_state="none"))
        assert waits_for(issue) == [f"CI has not finished at {HEAD[:7]} yet; without CI nothing merges."]
        await scene.pool.execute(REST, 59)
        assert (await scene.looked(issue)).status == "in_review"
        await scene.pool.execute(REST, 61)
        issue = await scene.looked(issue)
        assert (issue.status, issue.brake) == ("escalated", "no_progress")
        assert issue.escalation == f"CI gave no result at {HEAD[:7]} for 60 minutes; without CI nothing merges."

    async def test_may_report_while_the_author_is_still_at_it(self, scene: Scene) -> None:
        issue = await scene.working()
        issue = await scene.tell(issue, c.ReportPullRequest(**h.held(issue), number=issue.number + 500, head=HEAD))
        await scene.pool.execute(REST, 61)
        assert (await scene.looked(issue)).status == "in_review"


class TestAMergeThatDoesNotCome:
    async def test_asks_a_person_with_what_it_waited_for(self, scene: Scene) -> None:
        issue = await scene.ready(mergeable="unknown")
        await scene.pool.execute(REST, 16)
        issue = await scene.looked(issue)
        assert (issue.status, issue.brake) == ("escalated", "no_progress")
        assert issue.escalation == "It is approved, but was not merged for 15 minutes."

    async def test_has_the_time_that_ci_needs(self, scene: Scene) -> None:
        running: dict[str, Any] = {"checks": [Check(name="test", state="pending")], "checks_state": "pending"}
        late: dict[str, Any] = {"required_checks": ["e2e"]}
        updated = await scene.ready()
        updated = await scene.tell(updated, replace(h.look(updated, head_sha=NEXT_HEAD, **running), carried=True))
        issues = [updated, await scene.ready(**running), await scene.ready(**late)]
        await scene.pool.execute(REST, 59)
        assert [(await scene.looked(one)).status for one in issues] == ["merging", "ready_to_merge", "ready_to_merge"]
        await scene.pool.execute(REST, 61)
        assert [(await scene.looked(one)).status for one in issues] == ["escalated"] * 3
        words = f"CI gave no result at {NEXT_HEAD[:7]} for 60 minutes; without CI nothing merges."
        assert (await scene.now(updated)).escalation == words

    async def test_may_take_as_long_as_githubs_own_queue_does(self, scene: Scene) -> None:
        issue = await scene.ready()
        await scene.pool.execute("UPDATE effects SET data = data || '{\"queued\": \"d\"}' WHERE kind = 'merge'")
        await scene.pool.execute(REST, 999)
        assert (await scene.looked(issue)).status == "merging"

    async def test_may_wait_for_people_as_long_as_they_take(self, scene: Scene) -> None:
        issue = await scene.ready(labels=["do-not-merge"])
        assert issue.waits_for_people
        await scene.pool.execute(REST, 999)
        assert (await scene.looked(issue)).status == "ready_to_merge"

    async def test_may_wait_for_its_turn(self, scene: Scene) -> None:
        first, second = await scene.ready(), await scene.ready()
        await scene.pool.execute(REST, 16)
        assert (await scene.looked(first)).status == "escalated"
        assert (await scene.now(second)).status == "merging"


class TestFailuresAlike:
    @staticmethod
    async def five(scene: Scene) -> Issue:
        """Five issues fail alike, each with an agent of its own; the last of them."""
        issues = [await scene.working(f"dev-{n}") for n in range(5)]
        for issue in issues:
            await scene.tell(issue, c.ReportStuck(**h.held(issue), reason="No.", error_class="oom"))
        return issues[-1]

    async def test_pause_their_repository_and_say_so_on_the_last_issue(self, scene: Scene) -> None:
        last = await self.five(scene)
        await asyncio.gather(*(Watch(scene.store).look() for _ in range(3)))
        (pause,) = await scene.pool.fetch("SELECT scope, by, reason FROM pauses")
        assert (pause["scope"], pause["by"]) == ("acme/tally", "conductor")
        assert pause["reason"] == "5 failures alike (oom) on 5 issues within an hour."
        (comment,) = await scene.pool.fetch("SELECT stream, data FROM effects WHERE kind = 'comment'")
        assert comment["stream"] == last.stream
        assert "takes no new work in acme/tally for now" in comment["data"]["body"]

    async def test_from_before_a_person_resumed_it_pause_it_no_more(self, scene: Scene) -> None:
        await self.five(scene)
        await scene.watch.look()
        await record(scene.store, "rig", e.RigResumed(scope="Acme/Tally", by="ada"), "ada")
        await scene.watch.look()
        assert await scene.pool.fetchval("SELECT count(*) FROM pauses") == 0
        await self.five(scene)
        await scene.watch.look()
        assert await scene.pool.fetchval("SELECT count(*) FROM pauses") == 1


class TestMoneyWithoutProgress:
    async def test_stops_the_issue_when_it_is_reported(self, scene: Scene) -> None:
        issue = await scene.working()
        assert (await scene.spends(issue, 1.5)).status == "in_progress"
        issue = await scene.spends(issue, 0.6, issue.key.upper())
        assert (issue.status, issue.brake, issue.holder) == ("escalated", "spend", None)

    async def test_counts_from_the_last_commit_or_decision(self, scene: Scene) -> None:
        issue = await scene.working()
        await scene.spends(issue, 1.5)
        issue = await scene.tell(issue, c.ReportBranch(**h.held(issue), branch=issue.branch))
        assert (await scene.spends(issue, 1.5)).status == "in_progress"
        issue = await scene.spends(issue, 1.5)
        assert issue.status == "escalated"
        issue = await scene.tell(issue, c.DecideGate(True, "Worth it.", "ada"), h.assign())
        assert (await scene.spends(issue, 1.5)).status == "assigned"
        issue = await scene.tell(issue, c.ReportPullRequest(**h.held(issue), number=900, head=NEXT_HEAD))
        assert (await scene.spends(issue, 1.5)).status == "in_review"

    async def test_of_another_issue_is_none_of_this_one(self, scene: Scene) -> None:
        issue, other = await scene.working(), await scene.working("dev-x")
        await scene.spends(other, 1.5)
        assert (await scene.spends(issue, 1.5)).status == "in_progress"


async def test_no_process_clock_counts(pool: Pool, approve: Approve) -> None:
    """A process whose own clock is years off leases, watches and counts as all others do."""
    odd = Store(pool, LocalWake(), ManualClock(datetime(1999, 1, 1, tzinfo=UTC)))
    async with background(odd.run()):
        scene = Scene(odd, approve, pool)
        issue = await scene.working()
        lease = await pool.fetchval("SELECT lease_until - now() FROM claims")
        assert 80 < lease.total_seconds() <= 90
        assert (await scene.looked(issue)).holder == issue.holder
        await pool.execute(REST, 31)
        await pool.execute(STEP, 31)
        assert (await scene.looked(issue)).strikes == 1
