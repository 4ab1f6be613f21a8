"""What the first of a merge train needs next, and in which words the others wait."""

from __future__ import annotations

from typing import Any

import pytest

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.merge.snapshot import Snapshot
from conductor.merge.train import (
    CI_SECONDS,
    MAX_UPDATES,
    SETTLE_SECONDS,
    Await,
    Enqueue,
    Evicted,
    Land,
    MergeTrain,
    Overtaken,
    Place,
    Step,
    Update,
    in_train,
    next_step,
)
from tests.conductor import histories as h
from tests.conductor.histories import do, types
from tests.conductor.samples import HEAD, NEXT_HEAD, pull_request

QUEUED = "It is in GitHub's merge queue for main."
UPDATED = "The branch was updated; CI runs at bbbbbbb."


def carried(issue: Issue, times: int = 1) -> Issue:
    """The issue after the rig merged its base in."""
    for n in range(times):
        head = NEXT_HEAD if n == times - 1 else f"{n:040}"
        look = h.running(issue, head_sha=head)
        issue = do(issue, c.ObservePullRequest(look.pull, carried=True))
    return issue


def step(issue: Issue, mode: MergeTrain = "always", enqueued: str | None = None, **changes: Any) -> Step:
    return next_step(issue, shown(issue, **changes), Policy(), mode, enqueued)


def shown(issue: Issue, **changes: Any) -> Snapshot:
    head = issue.pull_request.head if issue.pull_request else HEAD
    return pull_request(issue, **{"head_sha": head} | changes)


RUNNING: dict[str, Any] = {"checks": [], "checks_state": "pending"}


@pytest.mark.parametrize(
    ("changes", "mode", "wanted"),
    [
        ({}, "always", Land(HEAD)),
        ({"behind": None}, "always", Land(HEAD)),
        ({"behind": True}, "always", Update(HEAD)),
        ({"behind": True}, "when_required", Land(HEAD)),
        ({"behind": True, "requires_up_to_date": True}, "when_required", Update(HEAD)),
        ({"behind": True, "merge_queue": True}, "always", Enqueue(HEAD)),
        ({"merge_queue": True}, "always", Enqueue(HEAD)),
        ({"in_merge_queue": True, "merge_queue": True, **RUNNING}, "always", Await(QUEUED)),
        (RUNNING, "always", Await("CI is running: a check.", CI_SECONDS)),
        ({"mergeable": "unknown"}, "always",
         Await("GitHub has not yet said whether it can be merged.", SETTLE_SECONDS)),
    ],
    ids=[
        "up to date", "not known to be behind", "behind", "behind, which is allowed", "behind, which is not allowed",
        "behind, with a queue", "a queue", "queued", "tested again", "not settled",
    ],
)  # fmt: skip
def test_the_next_step(changes: dict[str, Any], mode: MergeTrain, wanted: Step) -> None:
    assert step(h.merging(), mode, **changes) == wanted


def test_what_the_queue_put_out_is_not_put_in_again_at_once() -> None:
    assert step(h.merging(), enqueued=HEAD, merge_queue=True) == Evicted(HEAD)
    assert step(h.merging(), enqueued=NEXT_HEAD, merge_queue=True) == Enqueue(HEAD)


def test_after_the_update_ci_runs_and_then_it_lands() -> None:
    issue = carried(h.merging())
    assert step(issue, **RUNNING) == Await(UPDATED)
    assert step(issue) == Land(NEXT_HEAD)


def test_a_base_that_is_never_caught_up_with_is_said_where_it_must_be() -> None:
    issue = carried(h.merging(), MAX_UPDATES)
    assert isinstance(step(issue, behind=True, requires_up_to_date=True), Overtaken)
    assert step(issue, behind=True) == Land(NEXT_HEAD), "tested with a base that was new a moment ago"


@pytest.mark.parametrize("issue", [h.ready(), h.merging()], ids=["ready", "merging"])
def test_an_approval_survives_a_clean_merge_of_the_base_and_ci_does_not(issue: Issue) -> None:
    after = carried(issue)
    pull = after.pull_request
    assert pull
    assert (after.status, pull.head, pull.checks, pull.approved_by) == (
        issue.status,
        NEXT_HEAD,
        "unknown",
        h.REVIEWER,
    )
    assert after.carried == [HEAD]


def test_any_other_push_loses_it() -> None:
    after = do(carried(h.merging()), h.running(h.merging(), head_sha="e" * 40))
    assert after.pull_request
    assert (after.status, after.pull_request.approved_by, after.carried) == ("in_review", None, [])


def test_nothing_is_carried_that_was_not_judged() -> None:
    look = c.ObservePullRequest(h.running(h.in_review(), head_sha=NEXT_HEAD).pull, carried=True)
    (updated,) = decide(h.in_review(), look)
    assert isinstance(updated, e.PrUpdated)
    assert not updated.carried


@pytest.mark.parametrize(
    ("changes", "events", "status"),
    [
        (RUNNING, [], "merging"),
        ({"checks_state": "none", "checks": [], "required_checks": ["deploy"]}, [], "merging"),
        ({"mergeable": "unknown"}, [], "merging"),
        ({"behind": True, "in_merge_queue": True}, [], "merging"),
        ({"labels": ["do-not-merge"], **RUNNING}, ["MERGE_GATE_WAITING"], "ready_to_merge"),
        ({"draft": True}, ["MERGE_GATE_WAITING"], "ready_to_merge"),
        ({"mergeable": "conflicting"}, ["MERGE_CONFLICT"], "changes_requested"),
        ({"checks_state": "failure"}, ["CI_FAILED"], "changes_requested"),
        ({"state": "closed"}, ["PR_CLOSED"], "escalated"),
        ({"state": "merged", "merged_sha": "c" * 40}, ["MERGED", "ISSUE_DONE"], "done"),
    ],
    ids=[
        "CI runs again", "a check is missing", "unknown", "queued", "held", "draft", "conflicting", "red", "closed",
        "merged",
    ],
)  # fmt: skip
def test_only_what_is_more_than_waiting_takes_it_out_of_the_train(
    changes: dict[str, Any], events: list[str], status: str
) -> None:
    look = h.look(h.merging(), **changes)
    assert types(h.merging(), look) == events
    assert do(h.merging(), look).status == status


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (None, "Every gate is open; merging."),
        (Place(2, 12), "It is second in the merge train for main, behind #12."),
        (Place(11, 40), "It is number 11 in the merge train for main, behind #40."),
        (Place(1, None, QUEUED), QUEUED),
    ],
)
def test_the_words_say_where_it_stands(place: Place | None, words: str) -> None:
    assert in_train(h.merging(), place) == words


def test_an_updated_branch_says_so_until_ci_has_passed() -> None:
    issue = carried(h.merging())
    assert in_train(issue) == UPDATED
    assert in_train(do(issue, h.look(issue))) == "Every gate is open; merging."
