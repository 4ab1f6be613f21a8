"""Whatever order and however often a pull request is seen, the rig learns each fact once."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.issues.react import react
from conductor.merge.snapshot import Review, Thread
from tests.conductor import histories as h
from tests.conductor.histories import do, held, look, red, running, types
from tests.conductor.samples import HEAD, NEXT_HEAD


def test_a_pull_request_on_the_issues_branch_is_the_issues_own() -> None:
    assert types(h.working(), running(h.working())) == ["PR_CREATED"]


@pytest.mark.parametrize("changes", [{"head_ref": "other"}, {"state": "closed"}, {"fork": True}], ids=str)
def test_a_pull_request_of_another_branch_or_fork_or_that_is_closed_is_not(changes: dict[str, object]) -> None:
    assert types(h.working(), running(h.working(), **changes)) == []


@pytest.mark.parametrize("changes", [{"head_ref": "other"}, {"fork": True}], ids=str)
def test_somebody_elses_pull_request_that_was_reported_as_the_issues_own_goes_to_a_person(
    changes: dict[str, object],
) -> None:
    foreign = do(h.in_review(), look(h.in_review(), **changes))
    assert (foreign.status, "does not come from the branch" in foreign.escalation) == ("escalated", True)
    assert types(foreign, look(foreign, **changes)) == []


def test_a_second_pull_request_is_not_followed() -> None:
    assert types(h.in_review(), look(h.in_review(), number=35)) == []


@pytest.mark.parametrize("name", h.EVERY)
def test_a_look_that_shows_nothing_new_is_no_event(name: str) -> None:
    issue = h.EVERY[name]
    seen = do(issue, look(issue))
    assert types(seen, look(seen)) == []


@pytest.mark.parametrize("name", ["new", "done", "cancelled"])
def test_an_issue_that_is_over_learns_nothing(name: str) -> None:
    assert types(h.EVERY[name], red(h.EVERY[name], state="merged", merged_sha="c" * 40)) == []


def test_checks_count_for_the_head_they_ran_at() -> None:
    issue = do(h.green(), running(h.green(), head_sha=NEXT_HEAD))
    assert issue.pull_request
    assert (issue.pull_request.head, issue.pull_request.checks, issue.status) == (NEXT_HEAD, "unknown", "in_review")


def test_a_push_takes_an_approval_back() -> None:
    issue = do(h.merging(), running(h.merging(), head_sha=NEXT_HEAD))
    assert issue.pull_request
    assert (issue.status, issue.pull_request.approved_by) == ("in_review", None)


@pytest.mark.parametrize("name", ["green", "under_review", "ready", "merging"])
def test_a_failed_check_asks_for_rework_with_the_log(name: str) -> None:
    issue = do(h.EVERY[name], red(h.EVERY[name]))
    assert (issue.status, issue.rework, issue.feedback) == ("changes_requested", "ci_failed", "1 failed")


def test_a_failed_check_leaves_what_the_reviewer_asked_for() -> None:
    issue = do(h.disputed(), red(h.disputed()))
    assert (issue.rework, issue.feedback) == ("changes_requested", "As I see it.\n\n1 failed")


@pytest.mark.parametrize("name", ["green", "ready"])
def test_a_conflict_asks_for_rework(name: str) -> None:
    issue = do(h.EVERY[name], look(h.EVERY[name], mergeable="conflicting"))
    assert (issue.status, issue.rework) == ("changes_requested", "merge_conflict")


class TestACheckThatWasRunAgainAndPassed:
    def test_brings_the_pull_request_back_to_review(self) -> None:
        failed = do(h.in_review(), red(h.in_review()))
        again = do(failed, look(failed))
        assert (again.status, again.rework) == ("in_review", None)
        passed = do(again, look(again))
        assert passed.pull_request
        assert passed.pull_request.checks == "passed"

    def test_waits_for_the_author_who_is_at_work_on_it(self) -> None:
        failed = do(h.in_review(), red(h.in_review()), h.assign())
        passed = do(failed, look(failed))
        assert (passed.status, passed.rework) == ("assigned", "ci_failed")
        released = do(passed, c.Release(**held(passed), reason="It passes now."))
        assert (released.status, released.rework) == ("in_review", None)

    def test_does_not_answer_what_the_reviewer_asked_for(self) -> None:
        failed = do(h.disputed(), red(h.disputed()))
        assert do(failed, look(failed)).status == "changes_requested"


class TestAMergeOutsideTheRig:
    @pytest.mark.parametrize("name", [name for name in h.EVERY if name not in ("new", "done", "cancelled")])
    def test_ends_the_issue_and_the_claim(self, name: str) -> None:
        issue = h.EVERY[name]
        merged = do(issue, look(issue, state="merged", merged_sha="c" * 40, merged_by="ada"))
        assert (merged.status, merged.merged, merged.holder) == ("done", "c" * 40, None)

    @pytest.mark.parametrize(
        "stop",
        [
            e.IssueBlocked(by=["acme/tally#2"]),
            e.Escalated(cause="2 attempts failed.", brake="strikes"),
            e.AgentStuck(agent=h.DEV, fence=1, reason="cannot"),
        ],
        ids=lambda event: event.type,
    )
    def test_ends_an_issue_that_stands_before_any_pull_request_was_seen(self, stop: e.Event) -> None:
        issue = fold([stop], h.assigned() if isinstance(stop, e.AgentStuck) else h.queued())
        merged = do(issue, look(issue, state="merged", merged_sha="c" * 40, merged_by="ada"))
        assert (merged.status, merged.merged) == ("done", "c" * 40)


class TestAPullRequestThatAPersonCloses:
    @pytest.mark.parametrize("name", ["in_review", "reworking", "under_review", "merging"])
    def test_asks_a_person_and_ends_the_claim(self, name: str) -> None:
        issue = h.EVERY[name]
        closed = do(issue, look(issue, state="closed"))
        assert (closed.status, closed.holder) == ("escalated", None)
        assert closed.escalation == "The pull request was closed without being merged."
        assert types(closed, look(closed, state="closed")) == []

    def test_is_started_afresh_when_a_person_says_so(self) -> None:
        closed = do(h.in_review(), look(h.in_review(), state="closed"))
        again = do(closed, c.DecideGate(True, "", "ada"))
        assert (again.status, again.pull_request, again.attempt) == ("queued", None, 2)

    def test_goes_on_when_it_is_reopened(self) -> None:
        closed = do(h.in_review(), look(h.in_review(), state="closed"))
        reopened = do(closed, running(closed))
        assert reopened.pull_request
        assert (reopened.status, reopened.pull_request.number, reopened.escalation) == ("in_review", 34, "")
        assert types(reopened, running(reopened)) == []

    def test_still_waits_for_the_answer_to_what_was_asked_before_it_was_closed(self) -> None:
        closed = do(h.escalated(), look(h.escalated(), state="closed"))
        reopened = do(closed, running(closed))
        assert (reopened.status, reopened.escalation) == ("escalated", "The rig could not post review.")
        again = do(reopened, c.DecideGate(True, "", "ada"))
        assert again.pull_request
        assert (again.status, again.pull_request.number) == ("in_review", 34)


OBJECTION = Review(author="ada", state="changes_requested", head_sha=HEAD, body="Use a set.")
REMARK = Thread(id="t", resolved=False, path="a.py", line=3, author="ada", body="Here.")


class TestAPersonWhoAsksForChangesOnGitHub:
    @pytest.mark.parametrize("name", ["in_review", "green", "under_review", "ready", "merging"])
    def test_is_answered_with_rework_in_their_words(self, name: str) -> None:
        issue = do(h.EVERY[name], look(h.EVERY[name], reviews=[OBJECTION], threads=[REMARK]))
        assert (issue.status, issue.rework) == ("changes_requested", "changes_requested")
        assert issue.feedback == "ada asks for changes: Use a set."
        assert [(remark.path, remark.line, remark.body) for remark in issue.comments] == [("a.py", 3, "Here.")]

    def test_is_heard_once_and_again_with_other_words(self) -> None:
        issue = do(h.green(), look(h.green(), reviews=[OBJECTION]), h.assign())
        issue = do(issue, c.ReportPullRequest(**held(issue), number=34, head=NEXT_HEAD))
        issue = do(issue, c.Complete(**held(issue)))
        assert do(issue, look(issue, reviews=[OBJECTION])).status == "in_review"
        more = msgspec.structs.replace(OBJECTION, body="And sort it.", head_sha=NEXT_HEAD)
        assert do(issue, look(issue, reviews=[more])).feedback == "ada asks for changes: And sort it."

    def test_adds_to_what_is_asked_already(self) -> None:
        issue = do(h.disputed(), look(h.disputed(), reviews=[OBJECTION]))
        assert issue.feedback == "As I see it.\n\nada asks for changes: Use a set."
        assert issue.reviews == 1, "no round of the rig's own reviews"

    def test_waits_for_whoever_is_at_work(self) -> None:
        issue = do(h.reworking(), look(h.reworking(), reviews=[OBJECTION]))
        assert (issue.status, issue.holder) == ("in_progress", h.reworking().holder)
        issue = do(issue, c.ReportPullRequest(**held(issue), number=34, head=NEXT_HEAD))
        issue = do(issue, look(issue, reviews=[OBJECTION]))
        assert (issue.status, issue.rework) == ("changes_requested", "changes_requested")

    @pytest.mark.parametrize("changes", [{"ours": True}, {"bot": True}, {"author": "rig-dev[bot]"}], ids=str)
    def test_is_a_person_and_neither_the_rig_nor_an_app_nor_the_author(self, changes: dict[str, Any]) -> None:
        review = msgspec.structs.replace(OBJECTION, **changes)
        assert do(h.green(), look(h.green(), reviews=[review])).status == "in_review"

    def test_gets_no_second_review_posted(self) -> None:
        said = decide(h.green(), look(h.green(), reviews=[OBJECTION]))
        assert {one.kind for event in said for one in react(event, h.green())} <= {"dequeue", "set_status"}


class TestAPersonWhoPushesToTheBranch:
    def test_takes_approval_and_checks_away_but_not_the_claim(self) -> None:
        pushed = do(h.reworking(), running(h.reworking(), head_sha="c" * 40))
        assert pushed.pull_request
        assert (pushed.status, pushed.holder) == ("in_review", h.reworking().holder)
        assert (pushed.pull_request.checks, pushed.pull_request.approved_by) == ("unknown", None)

    def test_has_it_reviewed_anew(self) -> None:
        issue = do(h.ready(), running(h.ready(), head_sha=NEXT_HEAD))
        issue = do(issue, look(issue), h.assign(h.REVIEWER, "review"))
        assert issue.holder
        assert issue.holder.kind == "review"


SIGHTS = {
    "running": running(h.in_review()),
    "green": look(h.in_review()),
    "red": red(h.in_review()),
    "pushed": running(h.in_review(), head_sha=NEXT_HEAD),
    "conflict": look(h.in_review(), mergeable="conflicting"),
    "held": look(h.in_review(), labels=["do-not-merge"]),
}


@pytest.mark.parametrize("order", list(permutations(["running", "green", "red", "conflict"])), ids="-".join)
def test_in_every_order_the_last_look_decides_about_the_checks(order: tuple[str, ...]) -> None:
    issue = do(h.in_review(), *(SIGHTS[name] for name in order), SIGHTS["green"], SIGHTS["green"])
    assert issue.pull_request
    assert (issue.pull_request.head, issue.pull_request.checks) == (HEAD, "passed")


@given(st.sampled_from(list(h.EVERY)), st.lists(st.sampled_from(list(SIGHTS)), max_size=12))
def test_any_looks_at_any_issue_come_to_rest(name: str, looks: list[str]) -> None:
    issue: Issue = do(h.EVERY[name], *(SIGHTS[one] for one in looks))
    rested = do(issue, SIGHTS["green"], SIGHTS["green"], SIGHTS["green"])
    assert types(rested, SIGHTS["green"]) == []
