"""The merge gate: a pure function over facts that were read at one head SHA."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from conductor.issue import Issue
from conductor.snapshot import Snapshot


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge needs; labels by name, compared without regard to case."""

    hold_labels: list[str] = msgspec.field(default_factory=lambda: ["do-not-merge"])
    manual_labels: list[str] = msgspec.field(default_factory=lambda: ["manual-merge"])

    @property
    def digest(self) -> str:
        """Stands in the gate's events, so that a verdict names the policy it was made under."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]


@dataclass(frozen=True)
class Merge:
    """Every gate is open at this head."""

    head: str


@dataclass(frozen=True)
class Wait:
    """Not yet; each reason is a sentence for people."""

    head: str
    reasons: list[str]


@dataclass(frozen=True)
class Refuse:
    """Never in this form."""

    head: str
    reasons: list[str]


Verdict = Merge | Wait | Refuse


def gate(issue: Issue, pull: Snapshot, policy: Policy) -> Verdict:
    """Whether the pull request of `issue` may be merged at the head that `pull` describes."""
    if pull.state != "open":
        return Refuse(pull.head_sha, [f"The pull request is {pull.state}."])
    checks = (_ci, _approval, _objections, _closes, _threads, _labels, _draft, _conflict)
    reasons = [reason for check in checks for reason in check(issue, pull, policy)]
    return Wait(pull.head_sha, reasons) if reasons else Merge(pull.head_sha)


def _ci(_issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    match pull.checks_state:
        case "success":
            return []
        case "none":
            return ["No check has reported yet; without CI nothing merges."]
        case "pending":
            return [f"CI is running: {_names(pull, 'pending')}."]
        case "failure":
            return [f"CI failed: {_names(pull, 'failure')}."]


def _names(pull: Snapshot, state: str) -> str:
    return ", ".join(check.name for check in pull.checks if check.state == state) or "a check"


def _approval(issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    ours = issue.pull_request
    by_rig = ours is not None and ours.head == pull.head_sha and ours.approved_by not in (None, *issue.authors)
    by_person = any(
        review.state == "approved" and review.head_sha == pull.head_sha and review.author != pull.author
        for review in pull.reviews
    )
    return [] if by_rig or by_person else [f"Nobody but its author has approved {pull.head_sha[:7]} yet."]


def _objections(_issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    objecting = [r.author for r in pull.reviews if r.state == "changes_requested" and r.author != pull.author]
    return [f"{author} asked for changes." for author in dict.fromkeys(objecting)]


def _closes(issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    closes = {key.lower() for key in pull.closes}
    return [] if issue.key.lower() in closes else [f"The description does not say `Closes #{issue.number}`."]


def _threads(_issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    count = sum(not thread.resolved for thread in pull.threads)
    return [f"{count} review thread{'s are' if count > 1 else ' is'} not resolved."] if count else []


def _labels(_issue: Issue, pull: Snapshot, policy: Policy) -> list[str]:
    labels = {label.lower() for label in pull.labels}
    held = [f"The label `{label}` holds it." for label in policy.hold_labels if label.lower() in labels]
    manual = [f"The label `{label}` leaves the merge to a person." for label in policy.manual_labels]
    return held + (manual if labels & {label.lower() for label in policy.manual_labels} else [])


def _draft(_issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    return ["The pull request is a draft."] if pull.draft else []


def _conflict(_issue: Issue, pull: Snapshot, _policy: Policy) -> list[str]:
    match pull.mergeable:
        case "mergeable":
            return []
        case "conflicting":
            return [f"It conflicts with {pull.base_ref}."]
        case "unknown":
            return ["GitHub has not yet said whether it can be merged."]
