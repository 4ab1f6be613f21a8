"""How an event changes an issue; pure, total over the lifecycle, the only place where an `Issue` is built."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import msgspec

from conductor import events as e
from conductor.issues.failures import failure_class
from conductor.issues.issue import Blocked, Holder, Issue, PullRequest, opinion
from conductor.issues.lifecycle import CARRYING, next_status

GITHUB = "github"  # who is named where nobody decided but GitHub showed it
_SLUG_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def evolve(issue: Issue, event: e.Event) -> Issue:
    """The issue after `event`.

    Raises:
        IllegalTransition: The lifecycle has no such step from here.
    """
    status = next_status(issue.status, event.type)
    if isinstance(event, e.PrUpdated) and event.carried and issue.status in CARRYING:
        status = issue.status
    changes = _changes(issue, event) | {"status": status}
    if name := failure_class(event):
        changes["failures"] = issue.failures | {name: issue.failures.get(name, 0) + 1}
    if issue.blocked and status != "blocked":
        changes["blocked"] = None
    return msgspec.structs.replace(issue, **changes)


def fold(events: Iterable[e.Event], start: Issue | None = None) -> Issue:
    """The issue after all `events`."""
    return reduce(evolve, events, start or Issue())


def _changes(issue: Issue, event: e.Event) -> dict[str, Any]:
    match event:
        case e.IssueApproved():
            return _approved(issue, event)
        case e.IssuePrioritized(priority=priority, by=by):
            return {"priority": priority} | ({"label_priority": priority} if by == GITHUB else {})
        case e.IssueBlocked(why=why):
            said = {name: getattr(event, name) for name in Blocked.__struct_fields__}
            return {"blocked": Blocked(**said), "asked": issue.asked or why == "questions"}
        case e.IssueUnblocked() | e.IssueEdited():
            return {name: new for name in ("title", "body", "stack") if (new := getattr(event, name)) is not None}
        case e.IssueAssigned(kind="verify"):
            return _taken(event)
        case e.IssueAssigned():
            return _assigned(issue, event)
        case e.ReviewAssigned(agent=agent, instance=instance, boot=boot, fence=fence, run=run):
            holder = Holder(kind="review", agent=agent, instance=instance, boot=boot, fence=fence, run=run)
            return {"holder": holder, "fence": fence}
        case e.IssueUnassigned(agent=agent, reason="parked"):
            return {"holder": None, "parked": agent if _writes(issue) else issue.parked}
        case e.IssueUnassigned(reason="completed") if issue.holder and issue.holder.kind == "verify":
            return {"holder": None, "judge": ""}
        case e.IssueUnassigned():
            return {"holder": None}
        case e.LeaseExpired(agent=agent):
            return _struck(issue, agent, "The lease expired: no heartbeat came.")
        case e.AgentStuck(agent=agent, reason=reason, evidence=evidence):
            return _struck(issue, agent, f"{reason}\n{evidence}".strip())
        case e.BranchCreated(branch=branch, fence=fence):
            return {"branch": branch, "branched": fence}
        case e.Escalated(cause=cause, brake=brake):
            return {"escalation": cause, "brake": brake, "holder": None}
        case e.EscalationDecided(labelling=labelling, stack=stack):
            judge = issue.judge if event.by == GITHUB else ""  # what a person decided needs no judge
            kept = {"labelling": labelling or issue.labelling, "stack": issue.stack if stack is None else stack}
            return _afresh(issue) | kept | {"judge": judge, **_DECIDED}
        case e.IssueCancelled():
            return {"holder": None}
        case _:
            return _about_pull_request(issue, event)


def _writes(issue: Issue) -> bool:
    return issue.holder is not None and issue.holder.kind not in ("review", "verify")


def _approved(issue: Issue, event: e.IssueApproved) -> dict[str, Any]:
    fresh = Issue()  # approved again after an end: only fence and attempt outlive it, for branches must not repeat
    kept = {name: getattr(fresh, name) for name in fresh.__struct_fields__ if name not in ("status", "fence")}
    said = {name: getattr(event, name) for name in event.__struct_fields__ if hasattr(fresh, name)}
    attempt = 1 if issue.status == "new" else issue.attempt + 1
    said |= {"attempt": attempt, "branch": branch_name(event.number, event.title, attempt)}
    return kept | said | {"label_priority": event.priority}


def _afresh(issue: Issue) -> dict[str, Any]:
    """Tried again where the pull request was closed or not ours: a new attempt on a branch of its own."""
    pull = issue.pull_request
    if pull is None or not (pull.closed or issue.brake == "foreign_pull_request"):
        return {}
    attempt = issue.attempt + 1
    branch = branch_name(issue.number, issue.title, attempt)
    return {**_NEW_HEAD, "pull_request": None, "attempt": attempt, "branch": branch}


def branch_name(number: int, title: str, attempt: int) -> str:
    """`feature/issue-N-slug`, and `…-a2` for a second attempt."""
    words = "".join(c if c in _SLUG_CHARACTERS else " " for c in title.lower()).split()
    slug = "-".join(words)[:40].strip("-") or "work"
    return f"feature/issue-{number}-{slug}" + (f"-a{attempt}" if attempt > 1 else "")


def _taken(event: e.IssueAssigned) -> dict[str, Any]:
    holder = Holder(
        kind=event.kind, agent=event.agent, instance=event.instance, boot=event.boot, fence=event.fence, run=event.run
    )
    return {"holder": holder, "fence": event.fence}


def _assigned(issue: Issue, event: e.IssueAssigned) -> dict[str, Any]:
    authors = issue.authors if event.agent in issue.authors else [*issue.authors, event.agent]
    changes = _taken(event) | {"authors": authors, "last_author": event.agent}
    went = {"runs": [*issue.runs, event.run], "attempt": event.attempt, "branch": event.branch, "parked": None}
    return changes | went


def _struck(issue: Issue, agent: str, evidence: str) -> dict[str, Any]:
    """A strike: a fresh branch for the next attempt, unless a pull request exists or nobody wrote anything."""
    stays = issue.pull_request is not None or (issue.holder is not None and issue.holder.kind == "verify")
    attempt = issue.attempt if stays else issue.attempt + 1
    branch = issue.branch if stays else branch_name(issue.number, issue.title, attempt)
    struck = issue.struck if agent in issue.struck else [*issue.struck, agent]
    base: dict[str, Any] = {"holder": None, "strikes": issue.strikes + 1, "struck": struck, "evidence": evidence}
    return base | {"attempt": attempt, "branch": branch, "runs": issue.runs if stays else []}


def _about_pull_request(issue: Issue, event: e.Event) -> dict[str, Any]:
    match event:
        case e.PrCreated(number=number, url=url, head=head, branch=branch):
            return {**_NEW_HEAD, "pull_request": PullRequest(number=number, url=url, head=head, branch=branch)}
        case e.PrUpdated(head=head, carried=True):
            return _carried(issue, head)
        case e.PrUpdated(head=head):
            fresh: dict[str, Any] = {**_NEW_HEAD, **_NO_HUMAN_GATE, "carried": []}
            return fresh | {"pull_request": _pull(issue, head=head, checks="unknown", approved_by=None)}
        case e.CiPassed():
            return {"pull_request": _pull(issue, checks="passed")}
        case e.PrClosed():
            words = issue.escalation or "The pull request was closed without being merged."
            asks = {"escalation": words, "brake": issue.brake or "pull_request_closed"}
            return {"pull_request": _pull(issue, closed=True), "holder": None, **asks}
        case e.CiFailed(log=log):
            failed = _pull(issue, checks="failed", approved_by=None)
            return {**_asked(issue, "ci_failed", log), "ci_failures": issue.ci_failures + 1, "pull_request": failed}
        case e.MergeConflict(base=base):
            words = f"The branch conflicts with {base}. Merge {base} into it and resolve the conflicts."
            conflicting = _pull(issue, conflicting=True, approved_by=None)
            return {**_asked(issue, "merge_conflict", words), "pull_request": conflicting}
        case e.ReviewPassed(agent=agent):
            return {"pull_request": _pull(issue, approved_by=agent), "reviews": issue.reviews + 1, **_NO_STRIKES}
        case e.ReviewDisputed(fence=None):
            return _objected(issue, event)
        case e.ReviewDisputed(summary=summary, comments=comments):
            return {
                "rework": "changes_requested",
                "feedback": summary,
                "comments": comments,
                "reviews": issue.reviews + 1,
                "pull_request": _pull(issue, approved_by=None),
                **_NO_STRIKES,
            }
        case e.HumanGateTriggered(triggers=triggers, evidence=evidence):
            return {"human_gate": triggers, "human_evidence": evidence}
        case e.HumanGateApproved(head=head):
            approved = [*dict.fromkeys([*issue.human_approved, *issue.human_evidence])]
            return {**_NO_HUMAN_GATE, "human_ok": head, "human_approved": approved}
        case e.HumanGateRejected(head=head, by=by, note=note):
            heard = [*issue.heard, opinion(by, head, note)]
            words = note or f"{by} did not let this through and gave no reason: {' '.join(issue.human_gate)}"
            return {**_NO_HUMAN_GATE, "rework": "changes_requested", "feedback": words, "heard": heard}
        case e.MergeGateWaiting(reasons=reasons, people=people, refused=refused):
            pull = _pull(issue, refusals=issue.pull_request.refusals + refused) if issue.pull_request else None
            return {"waiting_for": reasons, "waits_for_people": people, "pull_request": pull}
        case e.MergeGatePassed() | e.IssueDone():
            return {"waiting_for": [], "waits_for_people": False}
        case e.Merged(sha=sha, deploys=deploys):
            return {"merged": sha, "deploys": deploys, "waiting_for": [], "holder": None}
        case e.Verified():
            return {"escalation": ""}
        case e.RepositoryRenamed(repository=repository):
            return {"repository": repository}
        case _:
            return _deployed(issue, event)


def _deployed(issue: Issue, event: e.Event) -> dict[str, Any]:
    match event:
        case e.DeployedStaging(run=run):
            return {"deployed": {**issue.deployed, "staging": f"passed {run}"}}
        case e.DeployedProduction(run=run):
            return {"deployed": {**issue.deployed, "production": f"passed {run}"}}
        case e.SmokePassed(run=run) | e.SmokeFailed(run=run):
            went = "passed" if isinstance(event, e.SmokePassed) else "failed"
            return {"deployed": {**issue.deployed, "smoke": f"{went} {run}"}}
        case e.E2ePassed(run=run) | e.E2eFailed(run=run):
            went = "passed" if isinstance(event, e.E2ePassed) else "failed"
            return {"deployed": {**issue.deployed, "e2e": f"{went} {run}"}}
        case _:
            return {}


_NO_HUMAN_GATE: dict[str, Any] = {"human_gate": [], "human_evidence": []}
# A new head answers what was asked for, and work that moved on has no strikes.
_NO_STRIKES: dict[str, Any] = {"strikes": 0, "struck": [], "evidence": ""}
_NEW_HEAD: dict[str, Any] = {
    "rework": None, "feedback": "", "comments": [], "waiting_for": [], "waits_for_people": False, **_NO_STRIKES,
}  # fmt: skip
# A person's decision outweighs everything that led to it.
_DECIDED: dict[str, Any] = {
    "escalation": "", "brake": "", "strikes": 0, "struck": [], "reviews": 0, "ci_failures": 0, "failures": {},
}  # fmt: skip


def _objected(issue: Issue, event: e.ReviewDisputed) -> dict[str, Any]:
    """Somebody outside the rig asks for changes: rework with their words, which no cap counts."""
    words = f"{event.agent} asks for changes: {event.summary}".strip()
    return _asked(issue, "changes_requested", words) | {
        "comments": [*issue.comments, *event.comments],
        "pull_request": _pull(issue, approved_by=None),
        "heard": [*issue.heard, opinion(event.agent, event.head, event.summary)],
    }


def _asked(issue: Issue, why: e.Why, words: str) -> dict[str, Any]:
    """A further thing to answer at the same head; what was asked before still stands."""
    return {"rework": issue.rework or why, "feedback": f"{issue.feedback}\n\n{words}".strip()}


def _pull(issue: Issue, **changes: Any) -> PullRequest | None:
    if issue.pull_request is None:
        return None
    fresh = {"conflicting": False, "closed": False, "refusals": 0} if "head" in changes else {}
    return msgspec.structs.replace(issue.pull_request, **fresh, **changes)


def _carried(issue: Issue, head: str) -> dict[str, Any]:
    """The judged head with the base merged in: what was decided about it holds, what CI said does not."""
    before = [*issue.carried, issue.pull_request.head] if issue.pull_request else []
    decided = {"human_ok": head} if issue.human_ok in before else {}
    pull = _pull(issue, head=head, checks="unknown")
    return {"pull_request": pull, "carried": before, "waiting_for": [], **decided}
