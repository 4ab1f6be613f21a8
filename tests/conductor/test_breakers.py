"""What adds up until the rig stops and asks a person, and what a person's decision makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.breakers import Failure, piled_up
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.failures import failure_class
from conductor.issues.issue import Issue
from conductor.issues.limits import Limits
from conductor.merge.snapshot import Check
from tests.conductor import histories as h
from tests.conductor.histories import do, held, look, red, running, types

LIMITS = Limits()
STILL = c.NoticeStandstill(20)


def stuck(issue: Issue, name: str = "tests_failed") -> Issue:
    return do(issue, c.ReportStuck(**held(issue), reason="It fails.", error_class=name, evidence="1 failed"))


def lapsed(issue: Issue) -> Issue:
    return do(issue, c.ExpireLease(fence=issue.fence, started=True))


def pushed(issue: Issue, n: int) -> Issue:
    """Somebody takes the work and pushes, so that strikes start anew."""
    issue = do(issue, h.assign())
    issue = do(issue, c.ReportPullRequest(**held(issue), number=34, head=f"{n}" * 40))
    return do(issue, c.Complete(**held(issue)))


class TestAClassOfFailure:
    @pytest.mark.parametrize(
        ("event", "name"),
        [
            (e.AgentStuck(agent="a", fence=1, reason="r", error_class="oom"), "oom"),
            (e.AgentStuck(agent="a", fence=1, reason="r"), None),
            (e.LeaseExpired(agent="a", fence=1), "lease_expired"),
            (e.CiFailed(head="h", checks=["test", "lint"]), "ci:lint,test"),
            (e.IssueDone(), None),
        ],
        ids=lambda x: x.type if isinstance(x, e.Event) else str(x),
    )
    def test_is_named_by_what_failed(self, event: e.Event, name: str | None) -> None:
        assert failure_class(event) == name

    def test_is_counted_through_all_progress(self) -> None:
        issue = pushed(stuck(h.working()), 1)
        assert (issue.strikes, issue.failures) == (0, {"tests_failed": 1})


class TestTheSameFailure:
    def test_a_third_time_asks_a_person_whatever_came_between(self) -> None:
        issue = pushed(stuck(h.working()), 1)
        issue = do(issue, red(issue, checks=[Check(name="lint", state="failure")]))
        issue = pushed(stuck(do(issue, h.assign())), 2)
        issue = do(issue, red(issue, checks=[Check(name="test", state="failure")]))
        issue = stuck(do(issue, h.assign()))
        assert (issue.status, issue.brake, issue.holder) == ("escalated", "same_failure", None)
        assert issue.escalation == "The same failure came 3 times: tests_failed."

    def test_of_ci_is_repaired_as_often_as_any_other_of_ci(self) -> None:
        issue = h.in_review()
        for n in range(LIMITS.ci_failures):
            issue = do(issue, red(issue))
            assert issue.status == "changes_requested"
            issue = do(issue, running(issue, head_sha=f"{n}" * 40))
        issue = do(issue, red(issue))
        assert (issue.status, issue.brake, issue.escalation) == ("escalated", "ci_failures", "CI failed 4 times.")

    def test_on_an_issue_that_is_escalated_already_is_no_second_question(self) -> None:
        issue = do(h.in_review(), c.RecordEffectFailed("comment", "no"))
        for n in range(LIMITS.same_failure):
            issue = do(issue, running(issue, head_sha=f"{n}" * 40), red(issue, head_sha=f"{n}" * 40))
        assert issue.brake == "effect"


class TestMoneyWithoutProgress:
    @pytest.mark.parametrize("name", ["assigned", "in_progress", "under_review", "disputed", "reworking"])
    def test_stops_the_work_and_its_holder(self, name: str) -> None:
        issue = do(h.EVERY[name], c.RecordSpend(2.0))
        assert (issue.status, issue.brake, issue.holder) == ("escalated", "spend", None)
        assert issue.escalation == "2.00 US dollars were spent without a new commit or a green check."

    def test_stops_nothing_below_the_limit(self) -> None:
        assert types(h.working(), c.RecordSpend(1.99)) == []

    @pytest.mark.parametrize("name", ["new", "ready", "merging", "done", "cancelled", "escalated"])
    def test_stops_nothing_that_costs_no_more(self, name: str) -> None:
        assert types(h.EVERY[name], c.RecordSpend(99.0)) == []


class TestStandstill:
    def test_of_a_review_that_nobody_takes_asks_a_person(self) -> None:
        issue = do(h.green(), STILL)
        assert (issue.brake, issue.escalation) == ("no_progress", "No reviewer took it for 20 minutes.")

    @pytest.mark.parametrize("name", ["ready", "merging"])
    def test_before_the_merge_asks_a_person(self, name: str) -> None:
        issue = do(h.EVERY[name], STILL)
        assert issue.escalation == "It is approved, but was not merged for 20 minutes."

    def test_for_a_person_is_none(self) -> None:
        waiting = e.MergeGateWaiting(head="a" * 40, reasons=["ada asked for changes."], people=True)
        assert types(fold([waiting], h.ready()), STILL) == []

    @pytest.mark.parametrize(
        "name", ["new", "queued", "in_progress", "under_review", "disputed", "done", "escalated"]
    )
    def test_elsewhere_without_a_holder_is_none(self, name: str) -> None:
        assert types(h.EVERY[name], STILL) == []


class TestFailuresInARepository:
    @staticmethod
    def failures(*streams: str, name: str = "oom", repository: str = "acme/tally", shut: str = "") -> list[Failure]:
        return [Failure(n, s, 1, repository, name, s != shut) for n, s in enumerate(streams, start=1)]

    def test_of_one_class_on_several_issues_pile_up(self) -> None:
        (found,) = piled_up(self.failures("i1", "i2", "i1", "i3", "i2", "i9"), LIMITS)
        assert (found.last.position, found.reason) == (5, "5 failures alike (oom) on 3 issues within an hour.")

    def test_of_one_issue_are_its_own_affair(self) -> None:
        assert piled_up(self.failures(*["i1"] * 9), LIMITS) == []

    def test_of_several_classes_or_repositories_are_not_alike(self) -> None:
        mixed = self.failures("i1", "i2", "i3") + self.failures("i1", "i2", name="lease_expired")
        assert piled_up(mixed + self.failures("i4", "i5", repository="acme/other"), LIMITS) == []

    def test_are_said_on_an_issue_that_is_not_over(self) -> None:
        (found,) = piled_up(self.failures("i1", "i2", "i3", "i4", "i5", "i6", shut="i5"), LIMITS)
        assert found.last.stream == "i6"

    def test_pause_it_by_an_event_of_the_issue(self) -> None:
        issue = h.working()
        (paused,) = decide(issue, c.PauseRepository("Too many."))
        assert paused == e.RigPaused(scope=issue.repository, by="conductor", reason="Too many.")
        assert fold([paused], issue) == issue
        assert types(h.done(), c.PauseRepository("Too many.")) == []


def foreign(issue: Issue) -> c.ObservePullRequest:
    return look(issue, head_ref="somebody/else")


@dataclass(frozen=True)
class Brake:
    """What trips it, the evidence that is seen again, and what would be new evidence.

    Attributes:
        trip: Leads to the escalation.
        again: The same evidence, as it shows after the decision.
        anew: Leads from the issue at rest to the escalation once more.
    """

    trip: Callable[[], Issue]
    again: Callable[[Issue], c.Command]
    anew: Callable[[Issue], Issue]


def struck_twice(issue: Issue) -> Issue:
    for agent in ("dev-e", "dev-x"):
        issue = issue if issue.holder else do(issue, h.assign(agent))
        issue = lapsed(issue)
    return issue


def red_often(issue: Issue) -> Issue:
    for n in range(LIMITS.ci_failures + 1):
        issue = do(issue, running(issue, head_sha=f"{n}" * 40)) if issue.rework else issue
        issue = do(issue, red(issue, checks=[Check(name=f"test-{n}", state="failure")]))
    return issue


def disputed_often(issue: Issue) -> Issue:
    for n in range(LIMITS.reviews):
        issue = do(issue, running(issue, head_sha=f"{n}" * 40)) if issue.rework else issue
        issue = do(issue, look(issue), h.assign(h.REVIEWER, "review"))
        issue = do(issue, h.verdict(issue, "request_changes", issue.pull_request.head if issue.pull_request else ""))
    return issue


def stuck_alike(issue: Issue) -> Issue:
    for n in range(1, LIMITS.same_failure):
        issue = pushed(stuck(issue if issue.holder else do(issue, h.assign())), n)
        issue = do(issue, red(issue, checks=[Check(name=f"test-{n}", state="failure")]))
    return stuck(do(issue, h.assign()))


def to_review(issue: Issue) -> Issue:
    return do(issue, look(issue), look(issue))


def approved(issue: Issue) -> Issue:
    issue = do(to_review(issue), h.assign(h.REVIEWER, "review"))
    return do(issue, h.verdict(issue, head=issue.pull_request.head if issue.pull_request else ""))


BRAKES = {
    "strikes": Brake(
        lambda: struck_twice(h.working()), lambda i: c.ExpireLease(i.fence, started=True), lambda i: struck_twice(i)
    ),
    "ci_failures": Brake(lambda: red_often(h.in_review()), red, red_often),
    "reviews": Brake(lambda: disputed_often(h.in_review()), look, disputed_often),
    "same_failure": Brake(
        lambda: stuck_alike(h.working()), lambda i: c.ExpireLease(i.fence, started=True), stuck_alike
    ),
    "spend": Brake(
        lambda: do(h.working(), c.RecordSpend(2.5)),
        lambda i: c.RecordSpend(0),
        lambda i: do(i, h.assign(), c.RecordSpend(2.5)),
    ),
    "effect": Brake(
        lambda: do(h.in_review(), c.RecordEffectFailed("comment", "no")),
        look,
        lambda i: do(i, c.RecordEffectFailed("comment", "no")),
    ),
    "no_progress": Brake(lambda: do(h.ready(), STILL), look, lambda i: do(approved(i), STILL)),
    "foreign_pull_request": Brake(
        lambda: do(h.in_review(), foreign(h.in_review())), foreign, lambda i: do(pushed(i, 1), foreign(pushed(i, 1)))
    ),
    "pull_request_closed": Brake(
        lambda: do(h.in_review(), look(h.in_review(), state="closed")),
        lambda i: look(i, state="closed", number=34),
        lambda i: do(pushed(i, 1), look(pushed(i, 1), state="closed")),
    ),
}


@pytest.mark.parametrize("name", BRAKES)
class TestAPersonsDecision:
    def test_sticks_against_the_evidence_from_before(self, name: str) -> None:
        tripped = BRAKES[name].trip()
        assert (tripped.status, tripped.brake) == ("escalated", name)
        decided = do(tripped, c.DecideGate(True, "Go on.", "ada"))
        assert (decided.status != "escalated", decided.brake, decided.failures) == (True, "", {})
        for _ in range(3):
            decided = do(decided, BRAKES[name].again(decided))
            assert decided.status != "escalated"

    def test_does_not_outlast_new_evidence(self, name: str) -> None:
        decided = do(BRAKES[name].trip(), c.DecideGate(True, "Go on.", "ada"))
        again = BRAKES[name].anew(decided)
        assert (again.status, again.brake) == ("escalated", name)
