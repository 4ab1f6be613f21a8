"""The merge train: pull requests land one after the other, each tested with what landed before; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from conductor import comments
from conductor.issues.issue import Issue
from conductor.merge.gate import Merge, gate
from conductor.merge.policy import Policy
from conductor.merge.snapshot import Check, Snapshot

MergeTrain = Literal["always", "when_required"]
MAX_UPDATES = 5
MAX_REFUSALS = 3
# A sighting wakes whoever waits; only where it is lost does the train look by itself, after so long.
CI_SECONDS = 30.0
SETTLE_SECONDS = 1.0
UPDATE_SECONDS = 2.0


@dataclass(frozen=True)
class Land:
    """Merge it at this head."""

    head: str


@dataclass(frozen=True)
class Update:
    """Merge the base into it, if it is still at this head."""

    head: str


@dataclass(frozen=True)
class Enqueue:
    """Put it at this head into GitHub's own queue."""

    head: str


@dataclass(frozen=True)
class Await:
    """Nothing can be done now; `words` say what is waited for."""

    words: str
    seconds: float = CI_SECONDS


@dataclass(frozen=True)
class Evicted:
    """GitHub's queue has put it out."""

    head: str


@dataclass(frozen=True)
class Overtaken:
    """The base moves faster than CI runs, and demands to be contained."""

    words: str


Step = Land | Update | Enqueue | Await | Evicted | Overtaken


@dataclass(frozen=True)
class Place:
    """Where an issue stands in its train.

    Attributes:
        number: 1 is worked on.
        ahead: The pull request right before it, if any.
        words: What the first one waits for, as far as that was said.
    """

    number: int = 1
    ahead: int | None = None
    words: str = ""


def lane_of(issue: Issue) -> str:
    """The lane in which the train of the issue's base stands."""
    return f"merge:{issue.repository_id}@{issue.base}"


def settled(pull: Snapshot) -> Snapshot:
    """The pull request as it is once CI has passed and GitHub knows whether it can be merged."""
    done = [msgspec.structs.replace(c, state="success") if c.state == "pending" else c for c in pull.checks]
    missing = set(pull.required_checks) - {check.name for check in done}
    return msgspec.structs.replace(
        pull,
        checks=done + [Check(name=name, state="success") for name in sorted(missing)],
        checks_state="failure" if pull.checks_state == "failure" else "success",
        mergeable="mergeable" if pull.mergeable == "unknown" else pull.mergeable,
    )


def next_step(issue: Issue, pull: Snapshot, policy: Policy, mode: MergeTrain, enqueued: str | None = None) -> Step:
    """What the first of the train needs now; nothing but its turn, CI and GitHub holds it.

    Args:
        enqueued: The head at which it was put into GitHub's queue, if it was.
    """
    if pull.in_merge_queue:
        return Await(comments.in_queue(pull.base_ref))
    if enqueued == pull.head_sha:
        return Evicted(pull.head_sha)
    if _too_old(pull, mode):
        if len(issue.carried) < MAX_UPDATES:
            return Update(pull.head_sha)
        if pull.requires_up_to_date:
            return Overtaken(comments.overtaken(pull.base_ref, MAX_UPDATES))
    verdict = gate(issue, pull, policy)
    if isinstance(verdict, Merge):
        return Enqueue(pull.head_sha) if pull.merge_queue else Land(pull.head_sha)
    words = in_train(issue) if issue.carried else " ".join(verdict.reasons)
    unsure = pull.mergeable == "unknown" and pull.checks_state == "success"
    return Await(words, SETTLE_SECONDS if unsure else CI_SECONDS)


def _too_old(pull: Snapshot, mode: MergeTrain) -> bool:
    """GitHub's own queue tests what it lands together with the base, so there nothing is brought up to date."""
    return bool(pull.behind) and not pull.merge_queue and (mode == "always" or pull.requires_up_to_date)


def in_train(issue: Issue, place: Place | None = None) -> str:
    """What a merging issue waits for, in the words of the commit status, the page and `explain_issue`."""
    place, pull = place or Place(), issue.pull_request
    if place.ahead is not None:
        return comments.place(place.number, issue.base, place.ahead)
    if place.words:
        return place.words
    if pull and issue.carried and pull.checks == "unknown":
        return comments.updated(pull.head)
    return comments.GATE_OPEN
