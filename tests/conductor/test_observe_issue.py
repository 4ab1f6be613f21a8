"""What a look at an issue tells: whether it may start, what holds it, and what sets it free."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.comments import UNLABELLED
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue, offer
from conductor.issues.observe_issue import CONFIG
from servers.kit.errors import Conflict, Fenced, Forbidden, InvalidInput
from tests.conductor import histories as h
from tests.conductor.histories import do, held, types
from tests.conductor.samples import observed

KEY = "acme/tally#1"
OPEN, CLOSED = c.Other("acme/tally#7", "open"), c.Other("acme/tally#7", "closed")
LOST, CHILD = c.Other("acme/tally#9", "unknown"), c.Other("acme/web#3", "open", ready=False)
RIVAL = c.Rival("acme/tally#12", "alice")


def seen(**changes: Any) -> c.ObserveIssue:
    """A look that read everything."""
    read: dict[str, Any] = {"related": True, "config_error": ""}
    return observed(**read | changes)


def judge(issue: Issue, ready: bool, *questions: str) -> c.SubmitReadiness:
    return c.SubmitReadiness(**held(issue), ready=ready, questions=list(questions))


def approved(**changes: Any) -> Issue:
    return do(Issue(), seen(**changes))


HOLDS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a dependency": ({"dependencies": [OPEN]}, "dependencies", [OPEN.key]),
    "one that is not found": ({"dependencies": [LOST]}, "dependencies", [LOST.key]),
    "a sub-issue": ({"sub_issues": [CHILD]}, "sub_issues", [CHILD.key]),
    "a circle": ({"circle": [KEY, OPEN.key, KEY]}, "cycle", [KEY, OPEN.key, KEY]),
    "a pull request": ({"rival": RIVAL}, "pull_request", [RIVAL.key]),
    "a question": ({"questions": ["Which?"]}, "questions", []),
}


class TestWhatHoldsAnIssue:
    @pytest.mark.parametrize("name", HOLDS)
    def test_is_found_at_its_approval_and_lifted_when_it_is_gone(self, name: str) -> None:
        changes, why, by = HOLDS[name]
        issue = approved(**changes)
        assert (issue.status, offer(issue)) == ("blocked", None)
        assert issue.blocked
        assert (issue.blocked.why, issue.blocked.by) == (why, by)
        assert types(issue, seen(**changes)) == []
        free = do(issue, seen())
        assert (free.status, free.blocked) == ("queued", None)
        assert offer(free)

    @pytest.mark.parametrize("name", HOLDS)
    def test_is_found_while_the_issue_waits_in_the_queue(self, name: str) -> None:
        assert types(h.queued(), seen(**HOLDS[name][0])) == ["ISSUE_BLOCKED"]

    @pytest.mark.parametrize("name", [name for name in HOLDS if name != "a pull request"])
    @pytest.mark.parametrize("at", ["assigned", "in_progress", "in_review", "ready", "merging"])
    def test_does_not_stop_work_that_began(self, name: str, at: str) -> None:
        assert types(h.EVERY[at], seen(**HOLDS[name][0])) == []

    @pytest.mark.parametrize("name", HOLDS)
    def test_outlasts_an_escalation_and_its_answer(self, name: str) -> None:
        held_up = do(h.queued(), seen(**HOLDS[name][0]))
        stopped = do(held_up, c.RecordEffectFailed("comment", "The conversation is locked."))
        issue = do(stopped, c.DecideGate(True, "Go on.", "ada"))
        assert (issue.status, issue.blocked, offer(issue)) == ("blocked", held_up.blocked, None)
        assert do(stopped, c.Approve("ada")).status == "blocked"
        assert offer(do(issue, seen()))

    def test_is_said_by_its_strongest_reason_and_the_next_one_follows(self) -> None:
        order = ["a circle", "a question", "a sub-issue", "a dependency", "a pull request"]
        for n, name in enumerate(order):
            changes: dict[str, Any] = {}
            for one in order[n:]:
                changes |= HOLDS[one][0]
            if name == "a question":
                changes["sub_issues"] = []  # a parent is never worked on, so nobody asks about it
            issue = approved(**changes)
            assert issue.blocked
            assert issue.blocked.why == HOLDS[name][1]

    def test_says_which_parts_nobody_moves(self) -> None:
        parts = approved(sub_issues=[OPEN, CHILD, CLOSED])
        assert parts.blocked
        assert (parts.blocked.by, parts.blocked.missing) == ([OPEN.key, CHILD.key], [CHILD.key])
        before = approved(dependencies=[LOST, OPEN])
        assert before.blocked
        assert before.blocked.missing == [LOST.key]

    def test_is_not_touched_by_a_look_that_read_no_relations(self) -> None:
        issue = approved(dependencies=[OPEN])
        assert types(issue, observed()) == []

    def test_is_replaced_when_it_changes(self) -> None:
        issue = approved(dependencies=[OPEN])
        assert types(issue, seen(dependencies=[OPEN, LOST])) == ["ISSUE_BLOCKED"]

    def test_ends_with_the_label(self) -> None:
        assert do(approved(dependencies=[OPEN]), seen(ready=False)).status == "cancelled"


class TestAParent:
    def test_is_done_when_all_its_sub_issues_are(self) -> None:
        issue = approved(sub_issues=[CHILD])
        over = [replace(CHILD, state="closed")]
        assert types(issue, seen(sub_issues=over)) == ["ISSUE_DONE"]
        assert do(issue, seen(sub_issues=over)).status == "done"

    def test_is_done_at_once_when_they_were_already(self) -> None:
        assert types(Issue(), seen(sub_issues=[CLOSED])) == ["ISSUE_APPROVED", "ISSUE_BLOCKED", "ISSUE_DONE"]

    def test_is_ordinary_work_again_without_sub_issues(self) -> None:
        issue = do(approved(sub_issues=[CHILD]), seen())
        work = offer(issue)
        assert work
        assert work.kind == "implement"

    def test_becomes_one_while_it_waits(self) -> None:
        assert do(h.queued(), seen(sub_issues=[CHILD])).status == "blocked"


class TestAPullRequestBySomebodyElse:
    @pytest.mark.parametrize("at", ["assigned", "in_progress"])
    def test_takes_the_work_from_whoever_has_it(self, at: str) -> None:
        issue = do(h.EVERY[at], seen(rival=RIVAL))
        assert (issue.status, issue.holder, issue.strikes, issue.attempt) == ("blocked", None, 0, 1)
        with pytest.raises(Fenced, match=r"it is blocked\. Stop; do not write any more\."):
            do(issue, c.StartWork(**held(h.EVERY[at])))
        assert types(issue, seen(rival=RIVAL)) == []

    def test_leaves_the_same_branch_for_when_it_is_closed(self) -> None:
        issue = do(h.working(), seen(rival=RIVAL), seen())
        assert (issue.status, issue.branch) == ("queued", h.working().branch)

    @pytest.mark.parametrize("at", ["in_review", "disputed", "reworking", "ready", "escalated"])
    def test_changes_nothing_once_the_rig_has_its_own(self, at: str) -> None:
        assert types(h.EVERY[at], seen(rival=RIVAL)) == []

    def test_does_not_make_a_late_pull_request_of_the_rigs_an_error(self) -> None:
        issue = do(h.working(), seen(rival=RIVAL))
        assert types(issue, h.running(issue)) == []


class TestQuestions:
    def test_are_not_asked_again_once_they_were_answered(self) -> None:
        issue = approved(questions=["Which?"])
        text = "Do it.\n\n## Answers\n\n**ada:** The first."
        free = do(issue, seen(questions=["Which?"], answered=True, body=text))
        assert (free.status, free.body, free.asked) == ("queued", text, True)
        assert types(free, seen(questions=["Which?"], answered=True, body=text)) == []

    def test_are_lifted_by_a_text_that_says_enough(self) -> None:
        free = do(approved(questions=["Which?"]), seen(title="Clear", body="It should."))
        assert (free.status, free.title, free.body) == ("queued", "Clear", "It should.")

    def test_stay_as_they_were_when_a_part_is_repaired(self) -> None:
        issue = approved(questions=["Which?", "When?"])
        assert types(issue, seen(questions=["When?"])) == []
        assert types(issue, seen(questions=["Why?"])) == ["ISSUE_BLOCKED"]

    def test_are_not_asked_once_somebody_has_worked_on_it(self) -> None:
        released = do(h.working(), c.Release(**held(h.working()), reason="No time."))
        assert types(released, seen(questions=["Which?"])) == []

    def test_are_asked_again_where_an_issue_starts_anew(self) -> None:
        again = do(h.cancelled(), seen(labelling=2, questions=["Which?"]))
        assert (again.status, again.attempt) == ("blocked", 2)

    def test_are_not_asked_about_a_parent(self) -> None:
        issue = approved(sub_issues=[CHILD], questions=["Which?"])
        assert issue.blocked
        assert issue.blocked.why == "sub_issues"


class TestAJudge:
    def test_is_offered_the_issue_first_and_nobody_else(self) -> None:
        work = offer(approved(judge="judge-e"))
        assert work
        assert (work.kind, work.role, work.only) == ("verify", "review", "judge-e")
        with pytest.raises(Forbidden, match="judge-e alone"):
            do(approved(judge="judge-e"), h.assign("review-e", "review", kinds=("verify",)))

    def under_check(self) -> Issue:
        return do(approved(judge="judge-e"), h.assign("judge-e", "review", kinds=("verify",)))

    def test_who_finds_it_clear_sets_it_free_for_developers(self) -> None:
        issue = do(self.under_check(), judge(self.under_check(), True))
        work = offer(issue)
        assert work
        assert (work.kind, work.only, issue.authors, issue.runs) == ("implement", None, [], [])

    def test_who_does_not_asks_the_author_once(self) -> None:
        issue = do(self.under_check(), judge(self.under_check(), False, "Which one?"))
        assert issue.blocked
        assert (issue.blocked.questions, issue.blocked.asked_by) == (["Which one?"], "judge-e")
        assert types(issue, seen()) == []
        for answer in (seen(answered=True, body="Do it.\n\nThat."), seen(body="Another text.")):
            work = offer(do(issue, answer))
            assert work
            assert work.kind == "implement"

    def test_has_to_say_what_is_missing(self) -> None:
        with pytest.raises(InvalidInput):
            do(self.under_check(), judge(self.under_check(), False, "  "))

    def test_ends_with_an_answer_and_not_otherwise(self) -> None:
        issue = self.under_check()
        with pytest.raises(Conflict, match="submit_readiness"):
            do(issue, c.Complete(**held(issue)))
        with pytest.raises(Forbidden):
            do(issue, c.ReportPullRequest(**held(issue), number=3, head="a" * 40))
        with pytest.raises(Forbidden, match="not a readiness check"):
            do(h.working(), judge(h.working(), True))

    def test_who_fails_costs_no_attempt(self) -> None:
        issue = do(self.under_check(), c.ExpireLease(self.under_check().fence, started=True))
        assert (issue.status, issue.attempt, issue.strikes) == ("queued", 1, 1)

    def test_is_not_asked_after_a_person_decided(self) -> None:
        stopped = do(approved(judge="judge-e"), c.RecordEffectFailed("comment", "no"))
        work = offer(do(stopped, c.DecideGate(True, "", "ada")))
        assert work
        assert work.kind == "implement"


class TestRulesThatCannotBeRead:
    BROKEN = seen(config_error=".rig-agent.yaml:1: stak: unknown key", stack="")

    def test_start_nothing_and_ask_a_person(self) -> None:
        issue = do(Issue(), self.BROKEN)
        assert (issue.status, issue.brake) == ("escalated", CONFIG)
        assert "`main`" in issue.escalation
        assert types(issue, self.BROKEN) == []

    def test_are_taken_up_again_once_they_can_with_what_they_say_now(self) -> None:
        issue = do(Issue(), self.BROKEN)
        assert types(issue, seen(config_error=None)) == []
        fixed = do(issue, seen(stack="go"))
        assert (fixed.status, fixed.stack, fixed.attempt, fixed.brake) == ("queued", "go", 1, "")

    def test_hold_again_when_the_label_is_set_anew_before_they_are_repaired(self) -> None:
        issue = do(Issue(), self.BROKEN)
        again = replace(self.BROKEN, labelling=2)
        assert types(issue, again) == ["ESCALATION_DECIDED", "ESCALATED"]
        assert types(do(issue, again), again) == []

    def test_leave_another_escalation_alone(self) -> None:
        assert types(h.escalated(), seen()) == []

    def test_are_found_while_the_issue_waits(self) -> None:
        assert types(h.queued(), self.BROKEN) == ["ESCALATED"]
        assert types(h.working(), self.BROKEN) == []


class TestALabelThatIsTakenOff:
    @pytest.mark.parametrize("at", ["queued", "assigned", "in_progress", "in_review", "disputed", "ready", "merging"])
    def test_stops_the_work_and_fences_its_holder(self, at: str) -> None:
        issue = do(h.EVERY[at], seen(ready=False))
        assert (issue.status, issue.holder) == ("cancelled", None)
        if h.EVERY[at].holder:
            with pytest.raises(Fenced, match="Stop; do not write any more"):
                do(issue, c.StartWork(**held(h.EVERY[at])))

    @pytest.mark.parametrize("at", ["escalated", "done", "cancelled", "new"])
    def test_says_nothing_where_it_may_be_set_again_or_all_is_over(self, at: str) -> None:
        assert types(h.EVERY[at], seen(ready=False)) == []

    def test_is_named_as_the_reason(self) -> None:
        [event] = decide(h.working(), seen(ready=False))
        assert getattr(event, "reason", "") == UNLABELLED


class TestPriority:
    def test_of_a_person_stands_until_the_labels_say_something_else(self) -> None:
        issue = do(h.queued(), c.Prioritize("critical", "ada"))
        assert types(issue, seen()) == []
        assert do(issue, seen(labels=["agent-ready", "high-priority"])).priority == "high"

    def test_of_a_label_that_is_taken_off_goes_with_it(self) -> None:
        issue = do(h.queued(labels=["agent-ready", "critical"]), c.Prioritize("high", "ada"))
        assert do(issue, seen(labels=["agent-ready"])).priority == "normal"


class TestATextThatChanges:
    def test_reaches_whoever_takes_the_issue(self) -> None:
        issue = do(h.queued(), seen(title="New", body="Better.", stack="go"))
        assert (issue.title, issue.body, issue.stack, issue.status) == ("New", "Better.", "go", "queued")

    def test_is_kept_while_the_issue_is_blocked(self) -> None:
        issue = do(approved(dependencies=[OPEN]), seen(body="Better.", dependencies=[OPEN]))
        assert (issue.status, issue.body) == ("blocked", "Better.")

    def test_does_not_change_under_the_hands_of_an_agent(self) -> None:
        assert types(h.working(), seen(body="Better.")) == []


LOOKS = [
    seen(),
    observed(),
    seen(ready=False),
    seen(open=False),
    seen(labelling=2),
    seen(answered=True),
    seen(sub_issues=[CLOSED]),
    TestRulesThatCannotBeRead.BROKEN,
    *(seen(**changes) for changes, _, _ in HOLDS.values()),
]


@given(st.sampled_from(list(h.EVERY)), st.lists(st.sampled_from(LOOKS), max_size=10))
def test_any_looks_at_any_issue_come_to_rest(name: str, looks: list[c.ObserveIssue]) -> None:
    issue = h.EVERY[name]
    for look in looks:
        issue = fold(decide(issue, look), issue)
    last = looks[-1] if looks else seen()
    assert types(do(issue, last), last) == []
