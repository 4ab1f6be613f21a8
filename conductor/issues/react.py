"""What has to be done in the world because of an event; pure, one registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conductor import comments
from conductor import events as e
from conductor.issues.issue import Issue, pull_off_train
from conductor.issues.words import waits_for
from conductor.merge.train import lane_of


@dataclass(frozen=True)
class Effect:
    """Something to do outside; done at least once, so each looks before it writes.

    Attributes:
        kind: Names the function of `effects.py`.
        lane: Effects of one lane are done one at a time, in order.
        delay: Seconds to wait first.
    """

    kind: str
    lane: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    delay: float = 0


Reaction = Callable[[Any, Issue], list[Effect]]


def react(event: e.Event, issue: Issue) -> list[Effect]:
    """The effects of `event`, where `issue` is the state after it and all that was recorded with it."""
    reaction = REACTIONS.get(type(event))
    effects = reaction(event, issue) if reaction else []
    said = _said(issue) if type(event) in SAID else []
    return [*_out_of_queue(event, issue), *effects, *said]


def _out_of_queue(event: e.Event, issue: Issue) -> list[Effect]:
    """What may not be merged any more leaves GitHub's own queue too; a new head does so by itself."""
    if type(event) not in STOPS or pull_off_train(issue) is None:
        return []
    if isinstance(event, e.ReviewDisputed) and event.fence is not None:
        return []  # an agent reviews nothing that merges
    return [Effect("dequeue", issue.stream)]


def _look(issue: Issue, delay: float = 0) -> Effect:
    lane = f"{issue.stream}:later" if delay else issue.stream  # a look that waits must not hold up the others
    return Effect("look", lane, {}, delay)


def _pushed(event: e.PrCreated | e.PrUpdated, issue: Issue) -> list[Effect]:
    return [_look(issue), *_place(issue)]


def _said(issue: Issue) -> list[Effect]:
    """The commit's status says what the issue waits for now; in the train `tell_place` does, with the place."""
    pull = pull_off_train(issue)
    if pull is None:
        return []
    status = {"head": pull.head, "state": "pending", "description": comments.waiting(waits_for(issue))}
    return [Effect("set_status", issue.stream, status)]


def _tested(event: e.CiPassed, issue: Issue) -> list[Effect]:
    return _place(issue)


def _place(issue: Issue) -> list[Effect]:
    """A new head, or what CI said of it, changes what is waited for in the train."""
    riding = issue.status == "merging" and not issue.merged
    return [Effect("tell_place", issue.stream)] if riding else []


def _reviewed(event: e.ReviewPassed | e.ReviewDisputed, issue: Issue) -> list[Effect]:
    if event.fence is None:
        return []  # a person said it on GitHub
    verdict = "approve" if isinstance(event, e.ReviewPassed) else "request_changes"
    remarks = [{"path": c.path, "line": c.line, "body": comments.quiet(c.body)} for c in event.comments]
    body = comments.review(event.agent, event.summary, event.head)
    review = {"head": event.head, "verdict": verdict, "body": body, "comments": remarks}
    post = Effect("post_review", issue.stream, review)
    return [post, Effect("resolve_threads", issue.stream), _look(issue)] if verdict == "approve" else [post]


def _gate_waits(event: e.MergeGateWaiting, issue: Issue) -> list[Effect]:
    return [_look(issue, delay=5)]


def _gate_passed(event: e.MergeGatePassed, issue: Issue) -> list[Effect]:
    return [Effect("tell_place", issue.stream), Effect("merge", lane_of(issue), {"head": event.head})]


def _person_asked(event: e.HumanGateTriggered, issue: Issue) -> list[Effect]:
    if issue.status != "awaiting_human" or issue.pull_request is None:
        return []  # a person had approved this head already
    asked = {"body": comments.human_gate(event.triggers), "number": issue.pull_request.number}
    return [Effect("comment", issue.stream, asked)]


def _let_through(event: e.HumanGateApproved, issue: Issue) -> list[Effect]:
    return [_look(issue)] if issue.status == "ready_to_merge" and not issue.waiting_for else []


def _escalated(event: e.Escalated, issue: Issue) -> list[Effect]:
    return [Effect("comment", issue.stream, {"body": comments.escalated(event.cause, event.evidence), "asks": True})]


def _over_budget(event: e.BudgetExceeded, issue: Issue) -> list[Effect]:
    if event.scope not in ("agent_day", "rig_day"):
        return []  # the escalation says it
    return [Effect("comment", issue.stream, {"body": comments.day_is_spent(event.reason)})]


def _repository_paused(event: e.RigPaused, issue: Issue) -> list[Effect]:
    return [Effect("comment", issue.stream, {"body": comments.repository_paused(event.scope, event.reason)})]


def _blocked(event: e.IssueBlocked, issue: Issue) -> list[Effect]:
    match event.why:
        case "questions":
            body = comments.questions(event.questions, event.asked_by)
            return [Effect("comment", issue.stream, {"body": body}), _needs_info(issue)]
        case "cycle":
            return [Effect("comment", issue.stream, {"body": comments.cycle(event.by)})]
        case "dependencies" if event.missing:
            return [Effect("comment", issue.stream, {"body": comments.not_found(event.missing)})]
        case _:
            return []


def _unblocked(event: e.IssueUnblocked, issue: Issue) -> list[Effect]:
    return [_needs_info(issue)] if issue.asked else []


def _needs_info(issue: Issue) -> Effect:
    return Effect("needs_info", issue.stream)


def _cancelled(event: e.IssueCancelled, issue: Issue) -> list[Effect]:
    pull = issue.pull_request
    told = event.reason == comments.UNLABELLED and pull is not None and not pull.closed
    said = [Effect("comment", issue.stream, {"body": comments.stopped(pull.number)})] if told and pull else []
    return said + ([_needs_info(issue)] if issue.asked else [])


def _done(event: e.IssueDone, issue: Issue) -> list[Effect]:
    if not event.parts:
        return []  # merged: GitHub closed it
    body = comments.parent_done(event.parts)
    return [Effect("comment", issue.stream, {"body": body}), Effect("close_issue", issue.stream)]


def _landed(event: e.Merged, issue: Issue) -> list[Effect]:
    """Whoever scores merged work is asked, where there is somebody."""
    pull = issue.pull_request
    author = issue.last_author or ""
    about = {"head": event.head, "sha": event.sha, "author": author, "number": pull.number if pull else 0}
    return [Effect("ask_judge", f"{issue.stream}:after", about)] if issue.authors else []


def _deployed(event: e.DeployedStaging | e.DeployedProduction, issue: Issue) -> list[Effect]:
    about = {"type": event.type, "sha": event.sha, "url": event.url, "run": event.run}
    return [Effect("ask_verifier", f"{issue.stream}:after", about)]


REACTIONS: dict[type[e.Event], Reaction] = {
    e.PrCreated: _pushed,
    e.PrUpdated: _pushed,
    e.CiPassed: _tested,
    e.ReviewPassed: _reviewed,
    e.ReviewDisputed: _reviewed,
    e.MergeGateWaiting: _gate_waits,
    e.MergeGatePassed: _gate_passed,
    e.HumanGateTriggered: _person_asked,
    e.HumanGateApproved: _let_through,
    e.Escalated: _escalated,
    e.BudgetExceeded: _over_budget,
    e.RigPaused: _repository_paused,
    e.IssueBlocked: _blocked,
    e.IssueUnblocked: _unblocked,
    e.IssueCancelled: _cancelled,
    e.IssueDone: _done,
    e.Merged: _landed,
    e.DeployedStaging: _deployed,
    e.DeployedProduction: _deployed,
}

# What takes an issue out of `merging` though its pull request is open and at the same head.
STOPS: frozenset[type[e.Event]] = frozenset(
    {e.MergeGateWaiting, e.Escalated, e.IssueCancelled, e.ReviewDisputed, e.CiFailed, e.MergeConflict}
)

# What may change the words on the commit of an open pull request.
SAID: frozenset[type[e.Event]] = frozenset(
    {
        e.IssueAssigned, e.ReviewAssigned, e.IssueUnassigned, e.LeaseExpired, e.AgentStuck, e.PrCreated, e.PrUpdated,
        e.CiPassed, e.CiFailed, e.MergeConflict, e.ReviewPassed, e.ReviewDisputed, e.HumanGateTriggered,
        e.HumanGateApproved, e.HumanGateRejected, e.MergeGateWaiting, e.Escalated, e.EscalationDecided,
        e.IssueCancelled,
    }
)  # fmt: skip
