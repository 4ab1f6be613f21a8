"""A base that lands pull requests through GitHub's own queue."""

from __future__ import annotations

from typing import Any

import pytest

from conductor.intake.translate import GroupSeen
from conductor.issues import commands as c
from conductor.merge.snapshot import Check, Review
from servers.kit.errors import Unavailable
from tests.conductor.samples import REPOSITORY
from tests.conductor.yard import Yard


async def test_what_is_queued_is_not_merged_by_the_rig(yard: Yard) -> None:
    await yard.board(1, behind=True, merge_queue=True)
    await yard.board(2, merge_queue=True)
    await yard.work()
    assert [one for one in yard.github.done if one[0] != "set_status"] == [("enqueue", 10)]
    assert await yard.words(1) == ["It is in GitHub's merge queue for main."]
    await yard.changed(1, state="merged", merged_sha="c" * 40, in_merge_queue=False)
    await yard.work()
    assert (await yard.status(1), yard.landed()) == ("done", [])
    assert ("enqueue", 20) in yard.github.done


async def test_what_github_puts_out_waits_with_the_reason(yard: Yard) -> None:
    await yard.board(1, merge_queue=True)
    await yard.board(2, merge_queue=True)
    await yard.work()
    await yard.changed(1, in_merge_queue=False)
    await yard.work()
    words = "GitHub's merge queue for main has put it out; the pull request's page says why."
    assert (await yard.status(1), await yard.words(1)) == ("ready_to_merge", [words])
    assert ("enqueue", 20) in yard.github.done


async def test_a_lost_answer_of_the_queue_is_looked_up(yard: Yard) -> None:
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
    yard: Yard, stop: dict[str, Any] | c.Command
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


async def test_the_gate_is_said_to_be_open_on_what_the_queue_tests_while_it_is(yard: Yard) -> None:
    await yard.board(1, merge_queue=True)
    await yard.work()
    assert await yard.sights.follow(GroupSeen(REPOSITORY, 10, "d" * 40)) is None
    assert yard.github.statuses["d" * 40] == "success"
    await yard.changed(1, labels=["do-not-merge"])
    await yard.sights.follow(GroupSeen(REPOSITORY, 10, "e" * 40))
    assert "e" * 40 not in yard.github.statuses


async def test_who_may_go_on_meanwhile_stays_in_the_queue(yard: Yard) -> None:
    await yard.board(1, merge_queue=True)
    await yard.work()
    await yard.changed(1, labels=["do-not-merge"])
    await yard.changed(1, labels=[])
    await yard.work()
    assert (await yard.status(1), yard.github.pulls[10].in_merge_queue) == ("merging", True)
    assert yard.github.calls["dequeue"] == 0
