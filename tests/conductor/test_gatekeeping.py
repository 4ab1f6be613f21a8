"""From the gate's verdict to a person's decision and on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from conductor import events as e
from conductor.comments import waiting
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.evolve import evolve
from conductor.issues.issue import Issue
from conductor.issues.react import react
from conductor.issues.words import waits_for
from conductor.merge.policy import Policy
from conductor.merge.snapshot import Change, Changes, Review
from servers.kit.errors import Forbidden
from tests.conductor import histories as h
from tests.conductor.samples import HEAD, NEXT_HEAD

ADA = Review(author="ada", state="approved", head_sha=HEAD)
SAYS = "`auth/login.py` changes authentication or sessions (path `**/auth/`)."


def touched(*lines: str) -> Changes:
    body = "\n".join(f"+{line}" for line in lines)
    return Changes(files=[Change(path="auth/login.py", patch=f"@@\n{body}", additions=len(lines), blob="b1")])


def look(issue: Issue, *lines: str, **changes: Any) -> c.ObservePullRequest:
    return h.look(issue, **{"changes": touched(*(lines or ("x = 1",)))} | changes)


def asked() -> Issue:
    return h.do(h.ready(), look(h.ready()))


def decided(approve: bool = True, note: str = "") -> Issue:
    return h.do(asked(), c.DecideGate(approve, note, "ada"))


def reviewed_again(issue: Issue, head: str = NEXT_HEAD) -> Issue:
    """The author pushed, CI passed and the reviewer approved again."""
    issue = h.do(issue, h.look(issue, head_sha=head))
    issue = h.do(issue, h.assign(h.REVIEWER, "review", boot="2"))
    return h.do(issue, h.verdict(issue, head=head))


def test_a_person_is_asked_as_soon_as_the_review_has_passed() -> None:
    running: dict[str, Any] = {"checks_state": "pending", "checks": []}
    [event] = decide(h.ready(), look(h.ready(), **running))
    assert isinstance(event, e.HumanGateTriggered)
    assert (event.head, event.triggers, event.policy) == (HEAD, [SAYS], Policy().digest)
    assert len(event.evidence) == 1


def test_who_wrote_the_change_does_not_let_it_through() -> None:
    with pytest.raises(Forbidden, match="wrote it"):
        decide(asked(), c.DecideGate(True, "", h.DEV))
    assert h.types(asked(), c.DecideGate(False, "Not yet.", h.DEV)) == ["HUMAN_GATE_REJECTED"]


def test_what_is_asked_is_said_alike_everywhere() -> None:
    issue = asked()
    [event] = decide(h.ready(), look(h.ready()))
    comment, status = react(event, issue)
    assert waits_for(issue) == [f"A person has to approve: {SAYS}"]
    assert status.data["description"] == waiting(waits_for(issue))
    assert status.data["state"] == "pending"
    assert comment.data["number"] == 34
    assert SAYS in comment.data["body"]
    assert "decide_gate" in comment.data["body"]


def test_the_same_look_says_nothing_new() -> None:
    issue = asked()
    assert issue.status == "awaiting_human"
    assert decide(issue, look(issue)) == []


def test_a_decision_lets_it_through_for_good_at_this_head() -> None:
    issue = decided()
    assert (issue.status, issue.human_gate) == ("ready_to_merge", [])
    assert h.types(issue, look(issue)) == ["MERGE_GATE_PASSED"]
    assert [effect.kind for effect in react(e.HumanGateApproved(head=HEAD, by="ada"), issue)] == [
        "look",
        "set_status",
    ]


def test_a_rejection_sends_it_back_with_the_persons_words() -> None:
    issue = decided(approve=False, note="Keep the old sessions.")
    assert (issue.status, issue.rework, issue.feedback) == (
        "changes_requested",
        "changes_requested",
        "Keep the old sessions.",
    )
    assert SAYS in decided(approve=False).feedback


def test_a_persons_review_on_github_decides_as_well() -> None:
    issue = asked()
    events = decide(issue, look(issue, reviews=[ADA]))
    assert [event.type for event in events] == ["HUMAN_GATE_APPROVED", "MERGE_GATE_PASSED"]
    assert events[0] == e.HumanGateApproved(head=HEAD, by="ada")
    no = Review(author="ada", state="changes_requested", head_sha=HEAD, body="Not like this.")
    [event] = decide(issue, look(issue, reviews=[no]))
    assert event == e.HumanGateRejected(head=HEAD, by="ada", note="Not like this.")


@pytest.mark.parametrize(
    "review",
    [
        msgspec.structs.replace(ADA, ours=True),
        msgspec.structs.replace(ADA, bot=True, author="helper[bot]"),
        msgspec.structs.replace(ADA, author="Rig-Dev[bot]"),
        msgspec.structs.replace(ADA, head_sha=NEXT_HEAD),
        msgspec.structs.replace(ADA, state="commented"),
    ],
    ids=["the rig's", "an App's", "the author's", "at another head", "no verdict"],
)
def test_no_other_review_decides(review: Review) -> None:
    issue = asked()
    assert decide(issue, look(issue, reviews=[review])) == []


@pytest.mark.parametrize("author", [h.DEV.title(), "ADA"], ids=["by claim", "by commit"])
def test_whoever_wrote_a_part_may_close_the_gate_but_not_open_it(author: str) -> None:
    issue, written_by = asked(), ["ada"]
    yes = Review(author=author, state="approved", head_sha=HEAD)
    assert decide(issue, look(issue, reviews=[yes], written_by=written_by)) == []
    no = msgspec.structs.replace(yes, state="changes_requested")
    assert h.types(issue, look(issue, reviews=[no], written_by=written_by)) == ["HUMAN_GATE_REJECTED"]


def test_a_head_that_a_person_has_approved_already_is_not_commented_on() -> None:
    issue = h.ready()
    events = decide(issue, look(issue, reviews=[ADA]))
    types = [event.type for event in events]
    assert types == ["HUMAN_GATE_TRIGGERED", "HUMAN_GATE_APPROVED", "MERGE_GATE_PASSED"]
    after = h.do(issue, look(issue, reviews=[ADA]))
    assert react(events[0], after) == []


@pytest.mark.parametrize(
    ("lines", "types"),
    [
        (("x = 1",), ["MERGE_GATE_PASSED"]),
        (("x = 2",), ["HUMAN_GATE_TRIGGERED"]),
    ],
    ids=["nothing new", "something new"],
)
def test_a_new_head_asks_again_only_for_what_nobody_has_seen(lines: tuple[str, ...], types: list[str]) -> None:
    issue = reviewed_again(h.do(decided(), h.red(decided())))
    assert issue.status == "ready_to_merge"
    assert h.types(issue, look(issue, *lines)) == types


def test_a_new_head_takes_the_question_back() -> None:
    issue = asked()
    moved = h.do(issue, h.look(issue, head_sha=NEXT_HEAD, checks_state="pending", checks=[]))
    assert (moved.status, moved.human_gate, moved.human_evidence) == ("in_review", [], [])


def test_a_carried_head_keeps_the_question_and_the_answer() -> None:
    issue = evolve(asked(), e.PrUpdated(number=34, head=NEXT_HEAD, carried=True))
    assert (issue.status, issue.human_gate) == ("awaiting_human", [SAYS])
    after = h.do(issue, look(issue, reviews=[ADA]))
    assert after.human_ok == NEXT_HEAD
    again = evolve(decided(), e.PrUpdated(number=34, head=NEXT_HEAD, carried=True))
    again = h.do(again, look(again, checks_state="pending", checks=[]))
    assert again.status == "ready_to_merge"


def test_the_same_reasons_are_no_new_event_and_say_whether_people_are_waited_for() -> None:
    issue = h.ready()
    held = h.look(issue, labels=["do-not-merge"])
    [event] = decide(issue, held)
    assert isinstance(event, e.MergeGateWaiting)
    assert event.people
    after = evolve(issue, event)
    assert decide(after, held) == []
    assert waits_for(after) == event.reasons
