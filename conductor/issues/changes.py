"""What each event changes of an issue beside its status: a function for each kind, found in `RULES` by type.

Each gives a dict of its own, to which `evolve` adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from conductor import events as e
from conductor.issues.issue import Blocked, Holder, Issue, PullRequest, opinion
from conductor.issues.lifecycle import CARRYING

Changes = dict[str, Any]
GITHUB = "github"  # who is named where nobody decided but GitHub showed it
_SLUG_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"

_NO_HUMAN_GATE: Changes = {"human_gate": [], "human_evidence": []}
_NOT_WAITING: Changes = {"waiting_for": [], "waits_for_people": False, "waits_for_ci": False}
# A new head answers what was asked for, and work that moved on has no strikes.
_NO_STRIKES: Changes = {"strikes": 0, "struck": [], "evidence": ""}
_NEW_HEAD: Changes = {"rework": None, "feedback": "", "comments": [], **_NOT_WAITING, **_NO_STRIKES}
# A person's decision outweighs everything that led to it.
_DECIDED: Changes = {
    "escalation": "", "brake": "", "strikes": 0, "struck": [], "reviews": 0, "ci_failures": 0, "failures": {},
}  # fmt: skip
# Approved again after an end: only fence and attempt outlive it, for branches must not repeat.
_ANEW: Changes = {name: getattr(Issue(), name) for name in Issue.__struct_fields__ if name not in ("status", "fence")}
_APPROVED = tuple(name for name in e.IssueApproved.__struct_fields__ if name in _ANEW)


def branch_name(number: int, title: str, attempt: int) -> str:
    """`feature/issue-N-slug`, and `…-a2` for a second attempt."""
    words = "".join(c if c in _SLUG_CHARACTERS else " " for c in title.lower()).split()
    slug = "-".join(words)[:40].strip("-") or "work"
    return f"feature/issue-{number}-{slug}" + (f"-a{attempt}" if attempt > 1 else "")


# What the issue is


def _approved(issue: Issue, event: e.IssueApproved) -> Changes:
    said = {name: getattr(event, name) for name in _APPROVED}
    attempt = 1 if issue.status == "new" else issue.attempt + 1
    branch = branch_name(event.number, event.title, attempt)
    return {**_ANEW, **said, "attempt": attempt, "branch": branch, "label_priority": event.priority}


def _prioritized(_: Issue, event: e.IssuePrioritized) -> Changes:
    changes: Changes = {"priority": event.priority}
    return changes | {"label_priority": event.priority} if event.by == GITHUB else changes


def _blocked(issue: Issue, event: e.IssueBlocked) -> Changes:
    said = {name: getattr(event, name) for name in Blocked.__struct_fields__}
    return {"blocked": Blocked(**said), "asked": issue.asked or event.why == "questions"}


def _edited(_: Issue, event: e.IssueEdited | e.IssueUnblocked) -> Changes:
    return {name: new for name in ("title", "body", "stack") if (new := getattr(event, name)) is not None}


def _renamed(_: Issue, event: e.RepositoryRenamed) -> Changes:
    return {"repository": event.repository}


def _left(*_: object) -> Changes:
    return {"holder": None}


# Who works on it


def _assigned(issue: Issue, event: e.IssueAssigned) -> Changes:
    holder = _holder(event, event.kind)
    if event.kind == "verify":
        return {"holder": holder, "fence": event.fence}
    return {
        "holder": holder,
        "fence": event.fence,
        "attempt": event.attempt,
        "branch": event.branch,
        "authors": issue.authors if event.agent in issue.authors else [*issue.authors, event.agent],
        "last_author": event.agent,
        "runs": [*issue.runs, event.run],
        "parked": None,
    }


def _review_assigned(_: Issue, event: e.ReviewAssigned) -> Changes:
    return {"holder": _holder(event, "review"), "fence": event.fence}


def _holder(event: e.IssueAssigned | e.ReviewAssigned, kind: e.Kind) -> Holder:
    return Holder(
        kind=kind, agent=event.agent, instance=event.instance, boot=event.boot, fence=event.fence, run=event.run
    )


def _unassigned(issue: Issue, event: e.IssueUnassigned) -> Changes:
    kind = issue.holder.kind if issue.holder else None
    if event.reason == "parked" and kind not in (None, "review", "verify"):
        return {"holder": None, "parked": event.agent}
    if event.reason == "completed" and kind == "verify":
        return {"holder": None, "judge": ""}
    return {"holder": None}


def _branched(_: Issue, event: e.BranchCreated) -> Changes:
    return {"branch": event.branch, "branched": event.fence}


def _expired(issue: Issue, event: e.LeaseExpired) -> Changes:
    return _struck(issue, event.agent, "The lease expired: no heartbeat came.")


def _stuck(issue: Issue, event: e.AgentStuck) -> Changes:
    return _struck(issue, event.agent, f"{event.reason}\n{event.evidence}".strip())


def _struck(issue: Issue, agent: str, evidence: str) -> Changes:
    """A strike: a fresh branch for the next attempt, unless a pull request exists or nobody wrote anything."""
    stays = issue.pull_request is not None or (issue.holder is not None and issue.holder.kind == "verify")
    attempt = issue.attempt if stays else issue.attempt + 1
    branch = issue.branch if stays else branch_name(issue.number, issue.title, attempt)
    struck = issue.struck if agent in issue.struck else [*issue.struck, agent]
    base: Changes = {"holder": None, "strikes": issue.strikes + 1, "struck": struck, "evidence": evidence}
    return base | {"attempt": attempt, "branch": branch, "runs": issue.runs if stays else []}


def _escalated(_: Issue, event: e.Escalated) -> Changes:
    return {"escalation": event.cause, "brake": event.brake, "holder": None}


def _decided(issue: Issue, event: e.EscalationDecided) -> Changes:
    judge = issue.judge if event.by == GITHUB else ""  # what a person decided needs no judge
    stack = issue.stack if event.stack is None else event.stack
    kept: Changes = {"labelling": event.labelling or issue.labelling, "stack": stack, "judge": judge}
    return _afresh(issue) | kept | _DECIDED


def _afresh(issue: Issue) -> Changes:
    """Tried again where the pull request was closed or not ours: a new attempt on a branch of its own."""
    pull = issue.pull_request
    if pull is None or not (pull.closed or issue.brake == "foreign_pull_request"):
        return {}
    attempt = issue.attempt + 1
    branch = branch_name(issue.number, issue.title, attempt)
    return {**_NEW_HEAD, "pull_request": None, "attempt": attempt, "branch": branch}


# Its pull request


def _created(_: Issue, event: e.PrCreated) -> Changes:
    pull = PullRequest(number=event.number, url=event.url, head=event.head, branch=event.branch)
    return {**_NEW_HEAD, "pull_request": pull}


def _updated(issue: Issue, event: e.PrUpdated) -> Changes:
    if event.carried:
        return _carried(issue, event.head)
    return {
        **_NEW_HEAD,
        **_NO_HUMAN_GATE,
        "carried": [],
        "pull_request": _moved(issue.pull_request, event.head),
    }


def _carried(issue: Issue, head: str) -> Changes:
    """The judged head with the base merged in: what was decided about it holds, what CI said does not."""
    pull = issue.pull_request
    before = [*issue.carried, pull.head] if pull else []
    moved = _moved(pull, head, pull.approved_by if pull else None)
    changes: Changes = {"pull_request": moved, "carried": before, "waiting_for": []}
    if issue.human_ok in before:
        changes["human_ok"] = head
    if issue.status in CARRYING:
        changes["status"] = issue.status
    return changes


def _moved(pull: PullRequest | None, head: str, approved_by: str | None = None) -> PullRequest | None:
    """At a new head, of which nothing else is known yet."""
    if pull is None:
        return None
    return PullRequest(number=pull.number, url=pull.url, head=head, branch=pull.branch, approved_by=approved_by)


def _closed(issue: Issue, _: e.PrClosed) -> Changes:
    words = issue.escalation or "The pull request was closed without being merged."
    brake = issue.brake or "pull_request_closed"
    return {"pull_request": _pull(issue, closed=True), "holder": None, "escalation": words, "brake": brake}


def _ci_passed(issue: Issue, _: e.CiPassed) -> Changes:
    return {"pull_request": _pull(issue, checks="passed")}


def _ci_failed(issue: Issue, event: e.CiFailed) -> Changes:
    failed = _pull(issue, checks="failed", approved_by=None)
    return {**_asked(issue, "ci_failed", event.log), "ci_failures": issue.ci_failures + 1, "pull_request": failed}


def _conflicted(issue: Issue, event: e.MergeConflict) -> Changes:
    words = f"The branch conflicts with {event.base}. Merge {event.base} into it and resolve the conflicts."
    conflicting = _pull(issue, conflicting=True, approved_by=None)
    return {**_asked(issue, "merge_conflict", words), "pull_request": conflicting}


def _review_passed(issue: Issue, event: e.ReviewPassed) -> Changes:
    return {"pull_request": _pull(issue, approved_by=event.agent), "reviews": issue.reviews + 1, **_NO_STRIKES}


def _disputed(issue: Issue, event: e.ReviewDisputed) -> Changes:
    if event.fence is None:
        return _objected(issue, event)
    return {
        "rework": "changes_requested",
        "feedback": event.summary,
        "comments": event.comments,
        "reviews": issue.reviews + 1,
        "pull_request": _pull(issue, approved_by=None),
        **_NO_STRIKES,
    }


def _objected(issue: Issue, event: e.ReviewDisputed) -> Changes:
    """Somebody outside the rig asks for changes: rework with their words, which no cap counts."""
    words = f"{event.agent} asks for changes: {event.summary}".strip()
    return _asked(issue, "changes_requested", words) | {
        "comments": [*issue.comments, *event.comments],
        "pull_request": _pull(issue, approved_by=None),
        "heard": [*issue.heard, opinion(event.agent, event.head, event.summary)],
    }


def _asked(issue: Issue, why: e.Why, words: str) -> Changes:
    """A further thing to answer at the same head; what was asked before still stands."""
    return {"rework": issue.rework or why, "feedback": f"{issue.feedback}\n\n{words}".strip()}


def _pull(issue: Issue, **changes: Any) -> PullRequest | None:
    if issue.pull_request is None:
        return None
    return msgspec.structs.replace(issue.pull_request, **changes)


# Its way through the gate and out into the world


def _gated(_: Issue, event: e.HumanGateTriggered) -> Changes:
    return {"human_gate": event.triggers, "human_evidence": event.evidence}


def _let_through(issue: Issue, event: e.HumanGateApproved) -> Changes:
    approved = [*dict.fromkeys([*issue.human_approved, *issue.human_evidence])]
    return {**_NO_HUMAN_GATE, "human_ok": event.head, "human_approved": approved}


def _turned_back(issue: Issue, event: e.HumanGateRejected) -> Changes:
    heard = [*issue.heard, opinion(event.by, event.head, event.note)]
    words = event.note or f"{event.by} did not let this through and gave no reason: {' '.join(issue.human_gate)}"
    return {**_NO_HUMAN_GATE, "rework": "changes_requested", "feedback": words, "heard": heard}


def _waiting(issue: Issue, event: e.MergeGateWaiting) -> Changes:
    pull = issue.pull_request
    if pull and event.refused:
        pull = msgspec.structs.replace(pull, refusals=pull.refusals + 1)
    waits: Changes = {"waiting_for": event.reasons, "waits_for_people": event.people, "waits_for_ci": event.ci}
    return {**waits, "pull_request": pull}


def _waits_no_more(*_: object) -> Changes:
    return {**_NOT_WAITING}


def _merged(_: Issue, event: e.Merged) -> Changes:
    return {"merged": event.sha, "deploys": event.deploys, "waiting_for": [], "holder": None}


def _verified(*_: object) -> Changes:
    return {"escalation": ""}


Deployment = e.DeployedStaging | e.DeployedProduction | e.SmokePassed | e.SmokeFailed | e.E2ePassed | e.E2eFailed


def _went(step: e.Step, how: str) -> Callable[[Issue, Deployment], Changes]:
    return lambda issue, event: {"deployed": {**issue.deployed, step: f"{how} {event.run}"}}


RULES: dict[type[e.Event], Callable[[Issue, Any], Changes]] = {
    e.IssueApproved: _approved,
    e.IssuePrioritized: _prioritized,
    e.IssueBlocked: _blocked,
    e.IssueUnblocked: _edited,
    e.IssueEdited: _edited,
    e.IssueCancelled: _left,
    e.IssueDone: _waits_no_more,
    e.RepositoryRenamed: _renamed,
    e.IssueAssigned: _assigned,
    e.ReviewAssigned: _review_assigned,
    e.IssueUnassigned: _unassigned,
    e.BranchCreated: _branched,
    e.LeaseExpired: _expired,
    e.AgentStuck: _stuck,
    e.Escalated: _escalated,
    e.EscalationDecided: _decided,
    e.PrCreated: _created,
    e.PrUpdated: _updated,
    e.PrClosed: _closed,
    e.CiPassed: _ci_passed,
    e.CiFailed: _ci_failed,
    e.MergeConflict: _conflicted,
    e.ReviewPassed: _review_passed,
    e.ReviewDisputed: _disputed,
    e.HumanGateTriggered: _gated,
    e.HumanGateApproved: _let_through,
    e.HumanGateRejected: _turned_back,
    e.MergeGateWaiting: _waiting,
    e.MergeGatePassed: _waits_no_more,
    e.Merged: _merged,
    e.Verified: _verified,
    e.DeployedStaging: _went("staging", "passed"),
    e.DeployedProduction: _went("production", "passed"),
    e.SmokePassed: _went("smoke", "passed"),
    e.SmokeFailed: _went("smoke", "failed"),
    e.E2ePassed: _went("e2e", "passed"),
    e.E2eFailed: _went("e2e", "failed"),
}
