"""Where failures, cost or standstill add up and the rig stops to ask a person: pure, a part of `decide`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.failures import failure_class
from conductor.issues.issue import Issue, Status
from conductor.issues.limits import Limits

# Where money is spent; what waits for a merge or a person is not stopped for a bill that comes late.
_SPENDING: tuple[Status, ...] = ("queued", "blocked", "assigned", "in_progress", "in_review", "changes_requested")


def same_failure(events: Sequence[e.Event], after: Issue, limits: Limits) -> list[e.Event]:
    """The stop after `events`, where the same failure came too often on the issue that they leave as `after`.

    CI that fails is not counted here: its repairs have a cap of their own, whichever checks it is.
    """
    if after.status in ("escalated", "done", "cancelled"):
        return []
    for name in filter(None, (failure_class(event) for event in events if not isinstance(event, e.CiFailed))):
        count = after.failures.get(name, 0)
        if count >= limits.same_failure:
            cause = f"The same failure came {count} times: {name}."
            return [e.Escalated(cause=cause, evidence=after.evidence or after.feedback, brake="same_failure")]
    return []


def overspent(issue: Issue, spend: c.RecordSpend, limits: Limits) -> list[e.Event]:
    """The stop where more was spent without progress than is allowed."""
    if spend.usd < limits.usd or issue.status not in _SPENDING:
        return []
    cause = f"{spend.usd:.2f} US dollars were spent without a new commit or a green check."
    return [e.Escalated(cause=cause, evidence=issue.evidence, brake="spend")]


def stood_still(issue: Issue, still: c.NoticeStandstill) -> list[e.Event]:
    """The stop where nobody holds an issue and nothing brings it on."""
    pull = issue.pull_request
    if issue.holder is not None or pull is None or issue.merged is not None or issue.waits_for_people:
        return []
    match issue.status:
        case "in_review" | "ready_to_merge" | "merging" if issue.waits_for_ci or pull.checks == "unknown":
            cause = f"CI gave no result at {pull.head[:7]} for {still.minutes:g} minutes; without CI nothing merges."
        case "in_review":
            cause = f"No reviewer took it for {still.minutes:g} minutes."
        case "ready_to_merge" | "merging":
            cause = f"It is approved, but was not merged for {still.minutes:g} minutes."
        case _:
            return []
    return [e.Escalated(cause=cause, evidence="\n".join(issue.waiting_for), brake="no_progress")]


@dataclass(frozen=True)
class Failure:
    """A failure as it stands in the log, with the issue and the repository that it happened to.

    Attributes:
        version: Of the issue, when it was looked at.
        open: Whether the issue is not over yet, so that something can be said on it.
    """

    position: int
    stream: str
    version: int
    repository: str
    name: str
    open: bool = True


@dataclass(frozen=True)
class PiledUp:
    """Failures of one class that are too many for a repository; `last` is the one that tripped it."""

    last: Failure
    count: int
    issues: int

    @property
    def reason(self) -> str:
        return f"{self.count} failures alike ({self.last.name}) on {self.issues} issues within an hour."


def piled_up(failures: Iterable[Failure], limits: Limits) -> list[PiledUp]:
    """The repositories that must pause, one reason each: too many failures of one class, not of one issue alone."""
    counts: Counter[tuple[str, str]] = Counter()
    streams: dict[tuple[str, str], set[str]] = {}
    found: dict[str, PiledUp] = {}
    for failure in sorted(failures, key=lambda failure: failure.position):
        key = (failure.repository.lower(), failure.name)
        counts[key] += 1
        streams.setdefault(key, set()).add(failure.stream)
        if counts[key] >= limits.repository_failures and len(streams[key]) > 1 and failure.open:
            found.setdefault(key[0], PiledUp(failure, counts[key], len(streams[key])))
    return list(found.values())
