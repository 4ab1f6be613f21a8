"""What a person may decide about an issue: pure, a part of `decide`."""

from __future__ import annotations

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.blocked import event_of
from conductor.issues.evolve import fold
from conductor.issues.issue import READY_LABEL, Issue
from conductor.issues.lifecycle import TERMINAL
from servers.kit.errors import Conflict, Forbidden, NotFound


def by_person(
    issue: Issue, command: c.Approve | c.Prioritize | c.Cancel | c.Reassign | c.DecideGate
) -> list[e.Event]:
    if issue.status == "new":
        raise NotFound(f"The rig does not know the issue. Label it {READY_LABEL} on GitHub.")
    match command:
        case c.Approve(by=by):
            decided = e.EscalationDecided(by=by, decision="retry")
            return try_again(issue, decided) if issue.status == "escalated" else []
        case c.Prioritize(priority=priority, by=by):
            return [] if priority == issue.priority else [e.IssuePrioritized(priority=priority, by=by)]
        case c.Cancel(reason=reason, by=by):
            return [] if issue.status in TERMINAL else [e.IssueCancelled(reason=reason, by=by)]
        case c.Reassign(reason=reason, by=by):
            if issue.holder is None:
                raise Conflict(f"Nobody has {issue.key}; it is {issue.status}.")
            note = f"{by}: {reason}"
            return [
                e.IssueUnassigned(agent=issue.holder.agent, fence=issue.holder.fence, reason="reassigned", note=note)
            ]
        case c.DecideGate():
            return _decide_gate(issue, command)


def try_again(issue: Issue, decided: e.EscalationDecided) -> list[e.Event]:
    """Work goes on; a pull request of which nothing was asked is looked at and judged anew.

    What the issue waited for is waited for still: the next look finds out whether it has happened.
    """
    if issue.merged:
        raise Conflict(f"{issue.key} is merged. Run its deployment again on GitHub, or cancel it to end the wait.")
    after = fold([decided], issue)
    pull = after.pull_request
    if issue.blocked and pull is None:
        return [decided, event_of(issue.blocked)]
    judged = pull is not None and after.rework is None
    return [decided, e.PrUpdated(number=pull.number, head=pull.head)] if pull and judged else [decided]


def _decide_gate(issue: Issue, answer: c.DecideGate) -> list[e.Event]:
    if issue.status == "escalated":
        decided = e.EscalationDecided(
            by=answer.by, decision="retry" if answer.approve else "cancel", note=answer.note
        )
        cancelled = e.IssueCancelled(reason=answer.note or "A person decided so.", by=answer.by)
        return try_again(issue, decided) if answer.approve else [decided, cancelled]
    if issue.status != "awaiting_human" or issue.pull_request is None:
        raise Conflict(f"{issue.key} does not wait for a decision; it is {issue.status}.")
    if answer.approve and answer.by in issue.authors:
        raise Forbidden(f"{answer.by} wrote it; another person has to let it through.")
    kind = e.HumanGateApproved if answer.approve else e.HumanGateRejected
    return [kind(head=issue.pull_request.head, by=answer.by, note=answer.note)]
