"""Given a history, when something is asked, then these events or this refusal."""

from __future__ import annotations

from typing import Any

import pytest

from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.issue import Issue, offer
from conductor.issues.limits import Limits
from conductor.merge.snapshot import Check
from servers.kit.errors import Conflict, Forbidden, IllegalTransition, NotFound
from tests.conductor import histories as h
from tests.conductor.histories import do, held, look, types
from tests.conductor.samples import HEAD, NEXT_HEAD, observed

LIMITS = Limits()
CLOSED = {"open": False}


class TestAnIssueOnGitHub:
    def test_starts_work_when_somebody_who_may_write_labelled_it(self) -> None:
        assert types(Issue(), observed()) == ["ISSUE_APPROVED"]

    @pytest.mark.parametrize("changes", [{"approver": None}, {"ready": False}, CLOSED], ids=str)
    def test_starts_nothing_without_label_permission_or_when_closed(self, changes: dict[str, Any]) -> None:
        assert types(Issue(), observed(**changes)) == []

    @pytest.mark.parametrize("name", h.EVERY)
    def test_seen_again_is_nothing_new(self, name: str) -> None:
        issue = h.EVERY[name]
        if issue.status != "new":
            assert types(issue, observed()) == []

    @pytest.mark.parametrize(
        ("labels", "priority"),
        [(["critical", "high"], "critical"), (["High-Priority"], "high"), (["high"], "high"), ([], "normal")],
    )
    def test_has_the_priority_of_its_labels(self, labels: list[str], priority: str) -> None:
        assert h.queued(labels=labels).priority == priority

    def test_gets_another_priority_by_another_label(self) -> None:
        issue = do(h.working(), observed(labels=["critical"]))
        assert (issue.priority, issue.status) == ("critical", "in_progress")

    @pytest.mark.parametrize("issue", [h.working(), h.merging()], ids=["working", "merging"])
    def test_is_cancelled_when_it_is_closed(self, issue: Issue) -> None:
        assert do(issue, observed(**CLOSED)).status == "cancelled"

    def test_stays_as_it_is_when_our_own_merge_closes_it(self) -> None:
        deploying = do(h.merging(), c.RecordMerged(HEAD, "c" * 40, "rig", ["staging"]))
        for issue in (deploying, h.done()):
            assert types(issue, observed(**CLOSED)) == []

    def test_that_is_escalated_is_tried_again_when_the_label_is_set_again_and_only_then(self) -> None:
        stuck = h.escalated()
        again = observed(labelling=stuck.labelling + 1, approver="grace")
        assert types(stuck, again) == ["ESCALATION_DECIDED", "PR_UPDATED"]
        assert types(do(stuck, again, c.RecordEffectFailed("merge", "no")), again) == []
        assert types(stuck, observed(labelling=stuck.labelling + 1, approver=None)) == []

    @pytest.mark.parametrize("over", [h.done(), h.cancelled()], ids=["done", "cancelled"])
    def test_starts_anew_only_when_the_label_is_set_again(self, over: Issue) -> None:
        assert types(over, observed(labelling=0)) == []
        again = do(over, observed(labelling=1))
        assert (again.status, again.attempt, again.fence) == ("queued", 2, over.fence)
        assert again.branch.endswith("-a2")
        assert again.pull_request is None


class TestAssigning:
    def test_gives_offered_work_under_the_next_fence(self) -> None:
        issue = h.assigned()
        assert issue.holder
        assert (issue.status, issue.holder.agent, issue.holder.fence) == ("assigned", h.DEV, 1)

    @pytest.mark.parametrize("name", ["new", "assigned", "in_review", "ready", "merging", "done", "escalated"])
    def test_refuses_where_nothing_is_offered(self, name: str) -> None:
        with pytest.raises(Conflict, match="no work to give"):
            decide(h.EVERY[name], h.assign("other"))

    def test_refuses_the_wrong_role(self) -> None:
        with pytest.raises(Forbidden, match="needs the role dev"):
            decide(h.queued(), h.assign(h.REVIEWER, "review"))

    def test_refuses_work_of_a_kind_that_was_not_asked_for(self) -> None:
        with pytest.raises(Conflict, match="offers implement work"):
            decide(h.queued(), h.assign(kinds=("rework",)))

    def test_never_lets_the_author_review_whatever_its_role(self) -> None:
        with pytest.raises(Forbidden, match="cannot review"):
            decide(h.green(), h.assign(h.DEV, "person"))

    def test_lets_a_person_do_any_work(self) -> None:
        assert do(h.queued(), h.assign("ada", "person")).status == "assigned"
        assert types(h.green(), h.assign("ada", "person")) == ["REVIEW_ASSIGNED"]

    def test_offers_rework_to_its_author_first(self) -> None:
        work = offer(h.disputed())
        assert work
        assert (work.kind, work.preferred) == ("rework", h.DEV)


class TestARestartedProcess:
    @pytest.mark.parametrize("name", ["assigned", "in_progress", "under_review", "reworking"])
    def test_goes_on_under_a_new_fence(self, name: str) -> None:
        before = h.EVERY[name]
        assert before.holder
        role = "review" if before.holder.kind == "review" else "dev"
        after = do(before, h.assign(before.holder.agent, role, boot="2"))
        assert after.holder
        assert (after.holder.kind, after.holder.boot) == (before.holder.kind, "2")
        assert after.fence == before.fence + 1

    def test_has_nothing_to_go_on_with_when_its_work_was_handed_in(self) -> None:
        after = do(h.pushed(), h.assign(boot="2"))
        assert (after.status, after.holder, after.strikes) == ("in_review", None, 0)

    def test_reviews_no_more_when_the_head_moved_meanwhile(self) -> None:
        moved = do(h.under_review(), h.running(h.under_review(), head_sha=NEXT_HEAD))
        after = do(moved, h.assign(h.REVIEWER, "review", boot="2"))
        assert (after.status, after.holder) == ("in_review", None)

    def test_takes_up_what_failed_while_it_was_away(self) -> None:
        failed = do(h.pushed(), h.red(h.pushed()))
        after = do(failed, h.assign(boot="2"))
        assert after.holder
        assert (after.holder.kind, after.rework) == ("rework", "ci_failed")


class TestMerging:
    def test_is_recorded_once(self) -> None:
        merged = c.RecordMerged(HEAD, "c" * 40, "rig")
        assert types(h.merging(), merged) == ["MERGED", "ISSUE_DONE"]
        assert types(h.done(), merged) == []

    def test_that_comes_after_a_cancellation_is_a_fact_all_the_same(self) -> None:
        issue = do(h.merging(), c.Cancel("No.", "ada"), c.RecordMerged(HEAD, "c" * 40, "rig"))
        assert (issue.status, issue.merged) == ("cancelled", "c" * 40)
        assert types(issue, c.RecordMerged(HEAD, "c" * 40, "rig")) == []

    def test_that_was_refused_waits_in_the_words_of_the_refusal(self) -> None:
        issue = do(h.merging(), c.RecordMergeRefused(HEAD, ["Too early."]))
        assert (issue.status, issue.waiting_for) == ("ready_to_merge", ["Too early."])

    def test_that_was_refused_at_an_old_head_says_nothing_about_the_new_one(self) -> None:
        assert types(h.merging(), c.RecordMergeRefused(NEXT_HEAD, ["Too early."])) == []


class TestAnEffectThatFailed:
    @pytest.mark.parametrize("name", ["queued", "in_progress", "green", "merging"])
    def test_asks_a_person(self, name: str) -> None:
        issue = do(h.EVERY[name], c.RecordEffectFailed("post_review", "no"))
        assert (issue.status, issue.escalation) == ("escalated", "The rig could not post review.")
        assert issue.holder is None

    @pytest.mark.parametrize("name", ["new", "done", "cancelled", "escalated"])
    def test_is_nothing_where_a_person_is_asked_already_or_nothing_waits(self, name: str) -> None:
        assert types(h.EVERY[name], c.RecordEffectFailed("comment", "no")) == []


class TestAPerson:
    @pytest.mark.parametrize("name", [n for n in h.EVERY if n not in ("new", "done", "cancelled")])
    def test_cancels_whatever_goes_on_and_once(self, name: str) -> None:
        issue = do(h.EVERY[name], c.Cancel("No.", "ada"))
        assert (issue.status, issue.holder) == ("cancelled", None)
        assert types(issue, c.Cancel("No.", "ada")) == []

    def test_is_told_of_an_unknown_issue(self) -> None:
        with pytest.raises(NotFound, match="Label it agent-ready"):
            decide(Issue(), c.Cancel("No.", "ada"))

    def test_prioritizes_once_and_only_what_goes_on(self) -> None:
        assert types(h.queued(), c.Prioritize("high", "ada")) == ["ISSUE_PRIORITIZED"]
        assert types(h.queued(), c.Prioritize("normal", "ada")) == []
        with pytest.raises(IllegalTransition, match="not possible while the issue is done"):
            decide(h.done(), c.Prioritize("high", "ada"))

    @pytest.mark.parametrize("name", ["assigned", "in_progress", "pushed", "under_review", "reworking"])
    def test_takes_work_away(self, name: str) -> None:
        issue = do(h.EVERY[name], c.Reassign("slow", "ada"))
        assert issue.holder is None
        with pytest.raises(Conflict, match="Nobody has"):
            decide(issue, c.Reassign("slow", "ada"))

    def test_approves_only_what_was_escalated(self) -> None:
        assert types(h.working(), c.Approve("ada")) == []
        assert do(h.escalated(), c.Approve("ada")).status == "in_review"

    def test_sends_a_pull_request_of_which_nothing_was_asked_back_to_be_judged(self) -> None:
        assert types(h.escalated(), c.DecideGate(True, "", "ada")) == ["ESCALATION_DECIDED", "PR_UPDATED"]

    def test_gives_a_failed_attempt_another_try_with_fresh_strikes(self) -> None:
        issue = h.working()
        for _ in range(2):
            issue = do(issue, c.ReportStuck(**held(issue), reason="cannot"))
            issue = issue if issue.status == "escalated" else do(issue, h.assign())
        assert issue.status == "escalated"
        again = do(issue, c.DecideGate(True, "Try this.", "ada"))
        assert (again.status, again.strikes, again.struck) == ("queued", 0, [])

    def test_stops_an_escalated_issue(self) -> None:
        assert do(h.escalated(), c.DecideGate(False, "Enough.", "ada")).status == "cancelled"

    def test_has_no_gate_to_decide_where_none_is_open(self) -> None:
        with pytest.raises(Conflict, match="does not wait for a decision"):
            decide(h.working(), c.DecideGate(True, "", "ada"))


def test_ci_that_keeps_failing_is_repaired_three_times_and_then_asks_a_person() -> None:
    issue = h.in_review()
    for n in range(LIMITS.ci_failures + 1):
        assert issue.status == "in_review"
        issue = do(issue, h.red(issue, checks=[Check(name=f"test-{n}", state="failure")]))
        if n < LIMITS.ci_failures:
            issue = do(issue, h.running(issue, head_sha=f"{n}" * 40))
    assert (issue.status, issue.escalation) == ("escalated", "CI failed 4 times.")


def test_a_gate_that_waits_says_so_once_for_the_same_reasons() -> None:
    issue = h.ready()
    held_up = look(issue, labels=["do-not-merge"])
    assert types(issue, held_up) == ["MERGE_GATE_WAITING"]
    waiting = do(issue, held_up)
    assert types(waiting, held_up) == []
    assert types(waiting, look(waiting)) == ["MERGE_GATE_PASSED"]
