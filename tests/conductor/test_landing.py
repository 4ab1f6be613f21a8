"""A train of pull requests lands in order, whatever happens to those in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from conductor.comments import GATE_OPEN, waiting
from conductor.intake.translate import IssueSeen
from conductor.issues import commands as c
from conductor.merge.places import places_of
from conductor.merge.snapshot import Check, Review
from conductor.merge.train import MAX_UPDATES
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import Conflict, Forbidden, Unavailable
from tests.conductor.samples import REPOSITORY
from tests.conductor.yard import Yard, stream

GREEN: dict[str, Any] = {"checks": [Check(name="test", state="success")], "checks_state": "success"}
RED: dict[str, Any] = {"checks": [Check(name="test", state="failure")], "checks_state": "failure"}


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
