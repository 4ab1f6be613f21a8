from __future__ import annotations

from typing import Any

from rig.demo.story import WORDS, Tally, in_words

ISSUE = "ada/tally#1"


def event(kind: str, issue: str | None = ISSUE, **data: Any) -> dict[str, Any]:
    return {"position": 1, "type": kind, "issue": issue, "data": data, "actor": "x", "recorded_at": "2026-11-20"}


def test_every_event_that_is_told_is_one_of_the_rigs() -> None:
    from conductor.events import TYPES

    assert set(WORDS) <= set(TYPES)


def test_what_is_small_is_not_told() -> None:
    assert in_words(event("TOKEN_USAGE", usd=1)) is None


def test_the_tally_adds_up_tokens_merges_and_ends() -> None:
    tally = Tally()
    for one in (
        event("TOKEN_USAGE", usd=0.5, input_tokens=3, output_tokens=4),
        event("TOKEN_USAGE", usd=0.25, output_tokens=1),
        event("MERGED", head="a" * 40, sha="b" * 40),
        event("ISSUE_DONE"),
    ):
        tally.add(one)
    assert (tally.usd, tally.tokens["input_tokens"], tally.tokens["output_tokens"]) == (0.75, 3, 5)
    assert tally.merges == {ISSUE: ["b" * 40]}
    assert tally.done == {ISSUE}
    assert tally.events == 4


def test_work_that_was_given_out_twice_at_a_time_is_noticed() -> None:
    tally = Tally()
    tally.add(event("ISSUE_ASSIGNED", fence=1, agent="a"))
    tally.add(event("ISSUE_ASSIGNED", fence=2, agent="b"))
    assert "fence 2 while fence 1" in tally.overlaps[0]


def test_work_that_is_handed_on_is_no_overlap() -> None:
    tally = Tally()
    tally.add(event("ISSUE_ASSIGNED", fence=1, agent="a"))
    tally.add(event("ISSUE_UNASSIGNED", fence=1, agent="a", reason="completed"))
    tally.add(event("REVIEW_ASSIGNED", fence=2, agent="b"))
    tally.add(event("REVIEW_PASSED", agent="b", head="c" * 40))
    tally.add(event("ISSUE_ASSIGNED", fence=3, agent="a"))
    assert tally.overlaps == []


def test_an_issue_that_needs_a_person_is_lost_for_the_demo_with_the_reason() -> None:
    tally = Tally()
    tally.add(event("ESCALATED", cause="Two tries failed."))
    assert tally.lost == {ISSUE: "a person is asked: Two tries failed."}
