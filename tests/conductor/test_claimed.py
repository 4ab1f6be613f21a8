"""What a claim lets its holder do, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.issue import Issue, offer
from conductor.issues.limits import Limits
from servers.kit.errors import Conflict, Fenced, Forbidden, Superseded
from tests.conductor import histories as h
from tests.conductor.histories import do, held, types
from tests.conductor.samples import HEAD, NEXT_HEAD

LIMITS = Limits()


def asks(who: dict[str, Any]) -> list[c.Command]:
    """Everything that a holder may ask."""
    return [
        c.StartWork(**who),
        c.ReportBranch(**who, branch="b"),
        c.ReportPullRequest(**who, number=34, head=NEXT_HEAD),
        c.ReportGuardBlocked(**who, tool="bash", reason="sudo"),
        c.Complete(**who),
        c.Release(**who, reason="later"),
        c.ReportStuck(**who, reason="cannot"),
        c.SubmitReview(**who, head=HEAD, verdict="approve", summary="Fine."),
    ]


ALL = [type(ask) for ask in asks({"agent": "", "instance": "", "boot": "", "fence": 1})]


def asked(kind: type[c.Command], **who: Any) -> c.Command:
    return next(ask for ask in asks(who) if isinstance(ask, kind))


class TestTheFence:
    @pytest.mark.parametrize("kind", ALL)
    @pytest.mark.parametrize("lie", [{"fence": 9}, {"agent": "dev-x"}, {"instance": "other"}], ids=str)
    def test_refuses_everybody_but_the_holder(self, kind: type[c.Command], lie: dict[str, Any]) -> None:
        with pytest.raises(Fenced, match="Stop; do not write any more"):
            decide(h.working(), asked(kind, **held(h.working()) | lie))

    @pytest.mark.parametrize("kind", ALL)
    def test_tells_an_old_process_that_another_took_over(self, kind: type[c.Command]) -> None:
        taken_over = do(h.working(), h.assign(boot="2"))
        with pytest.raises(Superseded, match="took acme/tally#1 over"):
            decide(taken_over, asked(kind, **held(h.working())))

    @pytest.mark.parametrize("name", ["queued", "done", "cancelled", "escalated", "new"])
    def test_refuses_where_nobody_holds_the_issue(self, name: str) -> None:
        with pytest.raises(Fenced):
            decide(h.EVERY[name], asked(c.StartWork, **held(h.working())))


class TestReporting:
    def test_the_start_is_one_event(self) -> None:
        assert types(h.assigned(), c.StartWork(**held(h.assigned()))) == ["WORK_STARTED"]
        assert types(h.working(), c.StartWork(**held(h.working()))) == []

    def test_a_branch_is_one_event_for_each_attempt(self) -> None:
        issue = h.working()
        report = c.ReportBranch(**held(issue), branch=issue.branch)
        assert types(issue, report) == ["BRANCH_CREATED"]
        assert types(do(issue, report), report) == []

    def test_no_other_branch_than_the_one_that_was_given_becomes_the_issues_own(self) -> None:
        issue = h.working()
        with pytest.raises(Conflict, match=issue.branch):
            decide(issue, c.ReportBranch(**held(issue), branch="ada/her-own-work"))

    def test_a_branch_may_be_reported_after_github_told_of_the_pull_request(self) -> None:
        seen = do(h.working(), h.running(h.working()))
        assert do(seen, c.ReportBranch(**held(seen), branch=seen.branch)).status == "in_review"

    def test_a_pull_request_leads_to_review_and_is_one_event(self) -> None:
        report = c.ReportPullRequest(**held(h.working()), number=34, head=HEAD)
        assert types(h.working(), report) == ["PR_CREATED"]
        assert h.pushed().status == "in_review"
        assert types(h.pushed(), report) == []

    def test_whoever_forgot_to_report_the_start_may_push_all_the_same(self) -> None:
        issue = do(h.disputed(), h.assign())
        issue = do(issue, c.ReportPullRequest(**held(issue), number=34, head=NEXT_HEAD))
        assert do(issue, c.Complete(**held(issue))).status == "in_review"

    def test_a_second_pull_request_is_refused(self) -> None:
        with pytest.raises(Conflict, match="already has pull request #34"):
            decide(h.reworking(), c.ReportPullRequest(**held(h.reworking()), number=35, head=NEXT_HEAD))

    def test_a_reviewer_does_not_push(self) -> None:
        with pytest.raises(Forbidden, match="does not push"):
            decide(h.under_review(), c.ReportPullRequest(**held(h.under_review()), number=34, head=NEXT_HEAD))

    def test_a_denial_of_the_guard_changes_nothing(self) -> None:
        issue = h.working()
        assert do(issue, c.ReportGuardBlocked(**held(issue), tool="bash", reason="sudo")) == issue


class TestHandingIn:
    def test_needs_a_pull_request_at_a_new_head(self) -> None:
        for issue in (h.assigned(), h.working(), h.reworking()):
            with pytest.raises(Conflict, match="no pull request at a new head"):
                decide(issue, c.Complete(**held(issue)))

    def test_ends_the_claim(self) -> None:
        assert h.in_review().holder is None

    def test_a_review_needs_its_verdict(self) -> None:
        with pytest.raises(Conflict, match="Call submit_review"):
            decide(h.under_review(), c.Complete(**held(h.under_review())))

    def test_giving_back_costs_no_strike(self) -> None:
        issue = do(h.working(), c.Release(**held(h.working()), reason="later"))
        assert (issue.status, issue.strikes, issue.attempt) == ("queued", 0, 1)


class TestAVerdict:
    def test_approves_at_the_head(self) -> None:
        issue = h.ready()
        assert issue.pull_request
        assert (issue.status, issue.holder, issue.pull_request.approved_by) == ("ready_to_merge", None, h.REVIEWER)

    def test_asks_the_author_for_changes(self) -> None:
        issue = h.disputed()
        assert (issue.status, issue.rework, issue.feedback) == (
            "changes_requested",
            "changes_requested",
            "As I see it.",
        )

    def test_on_another_head_does_not_count(self) -> None:
        issue = do(h.under_review(), h.verdict(h.under_review(), head=NEXT_HEAD))
        assert issue.pull_request
        assert (issue.status, issue.holder, issue.pull_request.approved_by) == ("in_review", None, None)

    def test_of_somebody_who_does_not_review_is_refused(self) -> None:
        with pytest.raises(Forbidden, match="is not a review"):
            decide(h.pushed(), h.verdict(h.pushed()))

    def test_that_is_the_fifth_without_approval_asks_a_person(self) -> None:
        issue = h.in_review()
        for n in range(LIMITS.reviews):
            issue = do(issue, h.look(issue))
            issue = do(issue, h.assign(h.REVIEWER, "review"))
            head = issue.pull_request.head if issue.pull_request else ""
            issue = do(issue, h.verdict(issue, "request_changes", head))
            if n < LIMITS.reviews - 1:
                issue = do(issue, h.running(issue, head_sha=f"{n}" * 40))
        assert (issue.status, issue.reviews) == ("escalated", LIMITS.reviews)


def lapsed(issue: Issue, started: bool = True) -> c.ExpireLease:
    return c.ExpireLease(fence=issue.fence, started=started)


class TestAnEndedLease:
    def test_is_a_strike_and_another_branch(self) -> None:
        issue = do(h.working(), lapsed(h.working()))
        assert (issue.status, issue.strikes, issue.struck, issue.attempt) == ("queued", 1, [h.DEV], 2)
        assert issue.branch.endswith("-a2")
        assert issue.runs == [], "nothing of it goes into the merge"

    def test_is_no_strike_where_nobody_ever_started(self) -> None:
        issue = do(h.assigned(), lapsed(h.assigned(), started=False))
        assert (issue.status, issue.strikes, issue.attempt) == ("queued", 0, 1)

    def test_counts_for_its_own_fence_only(self) -> None:
        newer = do(h.working(), h.assign(boot="2"))
        assert types(newer, lapsed(h.working())) == []
        assert types(h.queued(), lapsed(h.queued())) == []

    @pytest.mark.parametrize("name", ["pushed", "in_review"])
    def test_is_no_strike_once_the_work_is_handed_in(self, name: str) -> None:
        issue = do(h.EVERY[name], lapsed(h.EVERY[name]))
        assert (issue.status, issue.holder, issue.strikes) == ("in_review", None, 0)

    def test_is_no_strike_for_a_reviewer_whose_head_failed_meanwhile(self) -> None:
        issue = do(h.under_review(), h.red(h.under_review()))
        assert do(issue, lapsed(issue)).strikes == 0

    def test_of_a_second_attempt_asks_a_person(self) -> None:
        issue = do(h.working(), lapsed(h.working()), h.assign("dev-x"))
        issue = do(issue, lapsed(issue))
        assert (issue.status, issue.escalation) == ("escalated", "2 attempts failed.")

    def test_of_a_second_reviewer_asks_a_person(self) -> None:
        issue = do(h.under_review(), lapsed(h.under_review()), h.assign("review-x", "review"))
        assert do(issue, lapsed(issue)).status == "escalated"


class TestParkedWork:
    @pytest.mark.parametrize("name", ["assigned", "in_progress", "reworking"])
    def test_goes_on_where_it_was_with_whoever_had_it(self, name: str) -> None:
        before = h.EVERY[name]
        issue = do(before, c.Release(**held(before), reason="critical goes first", parked=True))
        work = offer(issue)
        assert (issue.status, issue.strikes, issue.attempt, issue.branch) == ("queued", 0, 1, before.branch)
        assert work
        assert (work.kind, work.preferred) == ("rework" if before.pull_request else "implement", h.DEV)

    def test_of_a_reviewer_waits_for_any_reviewer(self) -> None:
        issue = do(h.under_review(), c.Release(**held(h.under_review()), reason="critical goes first", parked=True))
        work = offer(issue)
        assert work
        assert (issue.status, work.kind, work.preferred) == ("in_review", "review", None)

    def test_is_nobodys_in_particular_once_it_was_taken_again(self) -> None:
        issue = do(h.working(), c.Release(**held(h.working()), reason="later", parked=True), h.assign("dev-x"))
        issue = do(issue, c.Release(**held(issue), reason="later"))
        work = offer(issue)
        assert work
        assert work.preferred is None

    def test_is_taken_from_a_holder_that_was_told_and_went_on(self) -> None:
        parked = do(h.working(), c.Park(h.working().fence, "critical goes first"))
        assert (parked.status, parked.holder, parked.strikes, parked.parked) == ("queued", None, 0, h.DEV)
        with pytest.raises(Fenced, match="Stop; do not write any more"):
            decide(parked, c.Complete(**held(h.working())))

    def test_is_nothing_to_a_later_holder(self) -> None:
        assert types(do(h.working(), h.assign(boot="2")), c.Park(h.working().fence, "late")) == []


class TestAHolderThatGetsNowhere:
    def test_is_stuck_with_a_strike_and_fenced(self) -> None:
        issue = do(h.working(), c.NoticeStandstill(30, h.working().fence))
        assert (issue.status, issue.strikes, issue.failures) == ("queued", 1, {"no_progress": 1})
        assert issue.evidence == "No progress for 30 minutes."
        with pytest.raises(Fenced):
            decide(issue, c.Complete(**held(h.working())))

    def test_as_a_reviewer_leaves_the_review_to_another(self) -> None:
        issue = do(h.under_review(), c.NoticeStandstill(20, h.under_review().fence))
        work = offer(issue)
        assert work
        assert (issue.status, work.kind, work.avoided) == ("in_review", "review", [h.REVIEWER])

    def test_after_handing_in_just_leaves(self) -> None:
        issue = do(h.pushed(), c.NoticeStandstill(30, h.pushed().fence))
        assert (issue.status, issue.holder, issue.strikes) == ("in_review", None, 0)

    def test_counts_for_its_own_fence_only(self) -> None:
        newer = do(h.working(), h.assign(boot="2"))
        assert types(newer, c.NoticeStandstill(30, h.working().fence)) == []

    def test_a_second_time_asks_a_person(self) -> None:
        issue = do(h.working(), c.NoticeStandstill(30, h.working().fence), h.assign("dev-x"))
        assert do(issue, c.NoticeStandstill(30, issue.fence)).brake == "strikes"


class TestAStuckAgent:
    def test_leaves_its_evidence_to_the_next(self) -> None:
        stuck = c.ReportStuck(**held(h.working()), reason="Tests fail.", evidence="1 failed")
        issue = do(h.working(), stuck)
        assert (issue.status, issue.strikes, issue.evidence) == ("queued", 1, "Tests fail.\n1 failed")

    def test_on_its_pull_request_keeps_the_branch(self) -> None:
        issue = do(h.reworking(), c.ReportStuck(**held(h.reworking()), reason="cannot"))
        assert (issue.status, issue.attempt, issue.branch) == ("queued", 1, h.reworking().branch)

    def test_after_handing_in_is_no_failure(self) -> None:
        issue = do(h.pushed(), h.red(h.pushed()))
        issue = do(issue, c.ReportStuck(**held(issue), reason="cannot"))
        assert (issue.status, issue.holder, issue.strikes) == ("changes_requested", None, 0)
