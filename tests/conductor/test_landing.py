"""A train of pull requests lands in order, whatever happens to those in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from conductor import views
from conductor.around import Rules
from conductor.comments import GATE_OPEN, waiting
from conductor.effects.runner import Effects
from conductor.github import GitHub
from conductor.handler import handle
from conductor.intake.pull_look import see_pull
from conductor.intake.sight import Sights
from conductor.intake.translate import GroupSeen, IssueSeen, PullSeen
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.merge.places import places_of
from conductor.merge.snapshot import Check, Review
from conductor.merge.train import MAX_UPDATES, MergeTrain
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import Conflict, Forbidden, Unavailable
from tests.conductor import histories as h
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID, observed, pull_request

GREEN: dict[str, Any] = {"checks": [Check(name="test", state="success")], "checks_state": "success"}
RED: dict[str, Any] = {"checks": [Check(name="test", state="failure")], "checks_state": "failure"}


class Yard:
    """Issues on their way into one base."""

    def __init__(self, store: Store, pool: Pool, train: MergeTrain = "always") -> None:
        self.store = store
        self.pool = pool
        self.github = MemoryGitHub()
        self.effects = Effects(store, self.github, Policy(), train)
        self.sights = Sights(store, self.github, Policy(), [REPOSITORY])

    async def tell(self, number: int, *commands: c.Command) -> Issue:
        for command in commands:
            await handle(self.store, stream(number), command, "test")
        return (await self.store.load(stream(number)))[1]

    async def board(self, number: int, base: str = "main", **changes: Any) -> None:
        """An issue whose pull request, of ten times its number, has just passed the gate."""
        issue = await self.tell(number, observed(number, base=base), h.assign(boot=str(number)))
        issue = await self.tell(number, c.StartWork(**h.held(issue)))
        pull, head = number * 10, f"{number:x}" * 40
        issue = await self.tell(number, c.ReportPullRequest(**h.held(issue), number=pull, head=head))
        issue = await self.tell(number, c.Complete(**h.held(issue)))
        self.github.show(pull_request(issue, number=pull, head_sha=head, **changes))
        issue = await self.tell(number, await self._seen(issue), h.assign(h.REVIEWER, "review", str(number)))
        issue = await self.tell(number, h.verdict(issue, head=head))
        issue = await self.tell(number, await self._seen(issue))
        assert issue.status == "merging", issue.waiting_for
        await self.pool.execute("DELETE FROM effects WHERE kind NOT IN ('merge', 'tell_place')")

    async def _seen(self, issue: Issue) -> c.ObservePullRequest:
        github: GitHub = self.github
        return await see_pull(github, issue, REPOSITORY, issue.number * 10, Policy())

    async def changed(self, number: int, **changes: Any) -> None:
        """GitHub shows something else, and says so."""
        self.github.show(self.github.pulls[number * 10], **changes)
        await self.sights.follow(PullSeen(REPOSITORY, number * 10))

    async def work(self) -> None:
        """Do what is due; nothing here waits for time to pass."""
        while await self.effects.work():
            pass

    async def status(self, number: int) -> str:
        return (await self.store.load(stream(number)))[1].status

    async def words(self, number: int) -> list[str]:
        (view,) = [one for one in await views.list_issues(self.pool, Rules()) if one.issue.endswith(f"#{number}")]
        return view.waits_for

    def landed(self) -> list[int]:
        return [number // 10 for what, number in self.github.done if what == "merge"]

    def said(self) -> list[tuple[str, str]]:
        return [words for what, words in self.github.done if what == "set_status"]


def stream(number: int) -> str:
    return f"issue-{REPOSITORY_ID}-{number}"


@pytest.fixture
def yard(store: Store, pool: Pool) -> Yard:
    return Yard(store, pool)


async def test_they_land_in_the_order_in_which_they_came(yard: Yard) -> None:
    for number in (3, 1, 2):
        await yard.board(number)
    await yard.work()
    assert yard.landed() == [3, 1, 2]
    assert [await yard.status(number) for number in (1, 2, 3)] == ["done"] * 3


async def test_only_the_first_is_worked_on_and_the_others_say_where_they_stand(yard: Yard) -> None:
    await yard.board(1, behind=True)
    await yard.board(2, behind=True)
    await yard.board(3)
    await yard.work()
    assert yard.landed() == []
    assert [what for what, _ in yard.github.done].count("update_branch") == 1
    await yard.changed(1)
    await yard.work()
    head = yard.github.pulls[10].head_sha[:7]
    expected = [
        [f"The branch was updated; CI runs at {head}."],
        ["It is second in the merge train for main, behind #10."],
        ["It is third in the merge train for main, behind #20."],
    ]
    assert [await yard.words(number) for number in (1, 2, 3)] == expected
    assert {("pending", words) for (words,) in expected} <= set(yard.said())
    await yard.changed(1, **GREEN)
    await yard.work()
    assert yard.landed() == [1]
    assert [what for what, _ in yard.github.done].count("update_branch") == 2, "the next goes on at once"
    assert await yard.words(3) == ["It is second in the merge train for main, behind #20."]


async def test_whoever_fails_after_the_update_steps_aside_at_once(yard: Yard) -> None:
    await yard.board(1, behind=True)
    await yard.board(2)
    await yard.work()
    await yard.changed(1, **RED)
    await yard.work()
    assert (await yard.status(1), await yard.status(2)) == ("changes_requested", "done")


@pytest.mark.parametrize(
    ("place", "changes", "status"),
    [
        (1, {"labels": ["do-not-merge"]}, "ready_to_merge"),
        (2, {"labels": ["do-not-merge"]}, "ready_to_merge"),
        (1, {"mergeable": "conflicting"}, "changes_requested"),
        (2, {"state": "closed"}, "escalated"),
        (1, {"state": "merged", "merged_sha": "c" * 40, "merged_by": "ada"}, "done"),
        (2, {"head_sha": "f" * 40, "checks_state": "pending"}, "in_review"),
    ],
    ids=["held", "held behind", "conflicting", "closed behind", "merged by a person", "pushed to behind"],
)
async def test_what_happens_to_one_of_them_lets_the_others_go_on(
    yard: Yard, place: int, changes: dict[str, Any], status: str
) -> None:
    await yard.board(1, behind=True)
    await yard.board(2, behind=True)
    await yard.board(3)
    await yard.work()
    await yard.changed(place, **changes)
    assert await yard.status(place) == status
    other = 3 - place
    await yard.work()
    await yard.changed(other, **GREEN)
    await yard.work()
    assert yard.landed() == [other, 3]


async def test_a_person_who_cancels_takes_it_out(yard: Yard) -> None:
    await yard.board(1, behind=True)
    await yard.board(2)
    await yard.work()
    await yard.tell(1, c.Cancel("No.", "ada"))
    await yard.work()
    assert yard.landed() == [2]


@pytest.mark.parametrize("stop", [{"labels": []}, {"state": "closed"}], ids=["label taken off", "issue closed"])
async def test_a_person_who_stops_the_issue_on_github_takes_it_out(yard: Yard, stop: dict[str, Any]) -> None:
    yard.github.label(1)
    await yard.board(1, behind=True)
    await yard.board(2)
    await yard.work()
    yard.github.edit(1, **stop)
    await yard.sights.follow(IssueSeen(REPOSITORY, 1))
    assert await yard.status(1) == "cancelled"
    await yard.changed(1, **GREEN)
    await yard.work()
    assert yard.landed() == [2]


async def _objected(yard: Yard) -> None:
    no = Review(author="ada", state="changes_requested", head_sha="1" * 40, body="Not like this.")
    await yard.changed(1, reviews=[no])


TURNS: dict[str, Callable[[Yard], Awaitable[object]]] = {
    "an objection": _objected,
    "red CI": lambda yard: yard.changed(1, **RED),
    "a conflict": lambda yard: yard.changed(1, mergeable="conflicting"),
    "an escalation": lambda yard: yard.tell(1, c.NoticeStandstill(15)),
    "a cancellation": lambda yard: yard.tell(1, c.Cancel("No.", "ada")),
}


@pytest.mark.parametrize("turn", TURNS)
async def test_a_green_light_is_taken_back_when_the_rig_turns_away(yard: Yard, turn: str) -> None:
    await yard.board(1)
    await yard.effects.work(1)
    assert yard.said() == [("success", GATE_OPEN)]
    await TURNS[turn](yard)
    await yard.work()
    assert yard.said()[-1] == ("pending", waiting(await yard.words(1)))
    assert (await yard.status(1) != "merging", yard.landed()) == (True, [])


async def test_an_issue_that_our_own_merge_closed_is_done_whoever_sees_it_first(yard: Yard) -> None:
    yard.github.label(1)
    await yard.board(1, behind=True)
    yard.github.show(yard.github.pulls[10], state="merged", merged_sha="c" * 40, merged_by="rig")
    yard.github.edit(1, state="closed")
    await yard.sights.follow(IssueSeen(REPOSITORY, 1))
    assert await yard.status(1) == "done"


async def test_who_comes_back_stands_at_the_end(yard: Yard) -> None:
    await yard.board(1, behind=True)
    await yard.board(2, behind=True)
    await yard.work()
    await yard.changed(1, labels=["do-not-merge"])
    await yard.changed(1, labels=[], **GREEN)
    places = await places_of(yard.pool, [stream(1), stream(2)])
    assert [(place.number, place.ahead) for place in (places[stream(1)], places[stream(2)])] == [(2, 20), (1, None)]


async def test_bases_do_not_wait_for_each_other(yard: Yard) -> None:
    await yard.board(1, behind=True)
    await yard.board(2, base="next")
    await yard.work()
    assert yard.landed() == [2]


async def test_a_base_that_moves_during_ci_is_merged_in_again_but_not_for_ever(yard: Yard) -> None:
    await yard.board(1, behind=True, requires_up_to_date=True)
    await yard.work()
    for _ in range(MAX_UPDATES):
        await yard.changed(1, behind=True)
        await yard.work()
    assert [what for what, _ in yard.github.done].count("update_branch") == MAX_UPDATES
    issue = await yard.tell(1)
    assert (issue.status, yard.landed()) == ("escalated", [])


async def test_where_the_base_demands_nothing_only_when_required_merges_at_once(store: Store, pool: Pool) -> None:
    yard = Yard(store, pool, "when_required")
    await yard.board(1, behind=True)
    await yard.work()
    assert yard.landed() == [1]


@pytest.mark.parametrize("lost", ["update_branch", "merge"])
async def test_an_answer_that_is_lost_changes_nothing(yard: Yard, lost: str) -> None:
    yard.github.lost[lost] = [Unavailable("GitHub is away.")]
    await yard.board(1, behind=True)
    await yard.work()
    await yard.pool.execute("UPDATE lanes SET due_at = now()")
    await yard.changed(1, **GREEN)
    await yard.work()
    await yard.pool.execute("UPDATE lanes SET due_at = now()")
    await yard.work()
    assert yard.landed() == [1]
    assert await yard.status(1) == "done"
    assert [what for what, _ in yard.github.done].count("update_branch") == 1


async def test_a_train_goes_on_after_its_process_was_killed_and_webhooks_were_lost(yard: Yard) -> None:
    await yard.board(1, behind=True)
    await yard.work()
    yard.github.show(yard.github.pulls[10], **GREEN)
    (due,) = await _taken(yard)
    assert due.kind == "merge", "the process that has it is killed now"
    await yard.pool.execute("UPDATE lanes SET due_at = now()")
    await yard.work()
    assert yard.landed() == [1]


async def _taken(yard: Yard) -> list[Any]:
    await yard.pool.execute("UPDATE lanes SET due_at = now()")
    return await yard.effects.lanes.take(1)


async def test_an_update_that_github_forbids_is_said_and_asks_a_person_in_the_end(yard: Yard) -> None:
    yard.github.failing["update_branch"] = [Forbidden("Protected.")] * 9
    await yard.board(1, behind=True)
    for _ in range(9):
        await yard.work()
        await yard.pool.execute("UPDATE lanes SET due_at = now()")
    issue = await yard.tell(1)
    assert issue.status == "escalated"
    assert "GitHub did not update the branch: Protected." in issue.escalation


async def test_a_refusal_that_the_moved_base_explains_is_no_refusal(yard: Yard) -> None:
    async def moved() -> None:
        del yard.github.during["merge"]
        yard.github.show(yard.github.pulls[10], behind=True, base_sha="d" * 40)

    yard.github.during["merge"] = moved
    yard.github.failing["merge"] = [Conflict("Base branch was modified. Review and try the merge again.")]
    await yard.board(1)
    await yard.work()
    assert (await yard.status(1), await yard.words(1)) == ("merging", ["Every gate is open; merging."])
    await yard.changed(1, **GREEN)
    await yard.work()
    assert yard.landed() == [1]


class TestQueue:
    """A base that lands pull requests through GitHub's own queue."""

    async def test_what_is_queued_is_not_merged_by_the_rig(self, yard: Yard) -> None:
        await yard.board(1, behind=True, merge_queue=True)
        await yard.board(2, merge_queue=True)
        await yard.work()
        assert [one for one in yard.github.done if one[0] != "set_status"] == [("enqueue", 10)]
        assert await yard.words(1) == ["It is in GitHub's merge queue for main."]
        await yard.changed(1, state="merged", merged_sha="c" * 40, in_merge_queue=False)
        await yard.work()
        assert (await yard.status(1), yard.landed()) == ("done", [])
        assert ("enqueue", 20) in yard.github.done

    async def test_what_github_puts_out_waits_with_the_reason(self, yard: Yard) -> None:
        await yard.board(1, merge_queue=True)
        await yard.board(2, merge_queue=True)
        await yard.work()
        await yard.changed(1, in_merge_queue=False)
        await yard.work()
        words = "GitHub's merge queue for main has put it out; the pull request's page says why."
        assert (await yard.status(1), await yard.words(1)) == ("ready_to_merge", [words])
        assert ("enqueue", 20) in yard.github.done

    async def test_a_lost_answer_of_the_queue_is_looked_up(self, yard: Yard) -> None:
        yard.github.lost["enqueue"] = [Unavailable("GitHub is away.")]
        await yard.board(1, merge_queue=True)
        await yard.work()
        await yard.pool.execute("UPDATE lanes SET due_at = now()")
        await yard.work()
        assert yard.github.calls["enqueue"] == 1

    @pytest.mark.parametrize(
        "stop",
        [
            {"labels": ["do-not-merge"]},
            {"checks": [Check(name="test", state="failure")], "checks_state": "failure"},
            {"reviews": [Review(author="ada", state="changes_requested", head_sha="1" * 40, body="No.")]},
            c.Cancel("No.", "ada"),
            c.NoticeStandstill(15),
        ],
        ids=["held", "red", "an objection", "cancelled", "escalated"],
    )
    async def test_whatever_stops_the_merge_takes_it_out_of_the_queue(
        self, yard: Yard, stop: dict[str, Any] | c.Command
    ) -> None:
        await yard.board(1, merge_queue=True)
        await yard.board(2, merge_queue=True)
        await yard.work()
        await (yard.changed(1, **stop) if isinstance(stop, dict) else yard.tell(1, stop))
        yard.github.lost["dequeue"] = [Unavailable("GitHub is away.")]
        for _ in range(2):
            await yard.work()
            await yard.pool.execute("UPDATE lanes SET due_at = now()")
        assert [number for what, number in yard.github.done if what == "dequeue"] == [10]
        assert (yard.github.pulls[10].in_merge_queue, yard.github.pulls[20].in_merge_queue) == (False, True)

    async def test_the_gate_is_said_to_be_open_on_what_the_queue_tests_while_it_is(self, yard: Yard) -> None:
        await yard.board(1, merge_queue=True)
        await yard.work()
        assert await yard.sights.follow(GroupSeen(REPOSITORY, 10, "d" * 40)) is None
        assert yard.github.statuses["d" * 40] == "success"
        await yard.changed(1, labels=["do-not-merge"])
        await yard.sights.follow(GroupSeen(REPOSITORY, 10, "e" * 40))
        assert "e" * 40 not in yard.github.statuses

    async def test_who_may_go_on_meanwhile_stays_in_the_queue(self, yard: Yard) -> None:
        await yard.board(1, merge_queue=True)
        await yard.work()
        await yard.changed(1, labels=["do-not-merge"])
        await yard.changed(1, labels=[])
        await yard.work()
        assert (await yard.status(1), yard.github.pulls[10].in_merge_queue) == ("merging", True)
        assert yard.github.calls["dequeue"] == 0
