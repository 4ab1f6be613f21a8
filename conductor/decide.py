"""What happens when something is asked of an issue: `decide(issue, command) → events`; pure, deaf to repetition."""

from __future__ import annotations

from typing import assert_never

from conductor import commands as c
from conductor import events as e
from conductor.claimed import by_holder, expire
from conductor.evolve import fold
from conductor.gate import Merge, Refuse, Wait, gate
from conductor.issue import Holder, Issue, offer
from conductor.lifecycle import TERMINAL
from conductor.observe import observe_pull_request
from servers.kit.errors import Conflict, Forbidden, NotFound

READY_LABEL = "agent-ready"
MAX_CI_FAILURES = 3


def decide(issue: Issue, command: c.Command) -> list[e.Event]:
    """The events that answer `command`; none if everything it says is known already.

    Raises:
        Refused: The command is not allowed now; the message says why and what to do.
    """
    events = _decide(issue, command)
    after = fold(events, issue)  # refuses what the lifecycle does not know
    return events + _green_again(after)


def _decide(issue: Issue, command: c.Command) -> list[e.Event]:
    match command:
        case c.ObserveIssue():
            return _observe_issue(issue, command)
        case c.ObservePullRequest():
            return _with_caps(issue, observe_pull_request(issue, command.pull), command)
        case c.Assign():
            return _assign(issue, command)
        case c.ExpireLease():
            return expire(issue, command)
        case c.RecordMerged():
            return _merged(issue, command)
        case c.RecordMergeRefused(head=head, reasons=reasons):
            pull = issue.pull_request
            current = issue.status == "merging" and pull is not None and pull.head == head
            return [e.MergeGateWaiting(head=head, reasons=reasons)] if current else []
        case c.RecordEffectFailed(effect=effect, error=error):
            over = issue.status in TERMINAL or issue.status in ("new", "escalated")
            return (
                [] if over else [e.Escalated(cause=f"The rig could not {effect.replace('_', ' ')}.", evidence=error)]
            )
        case c.Approve() | c.Prioritize() | c.Cancel() | c.Reassign() | c.DecideGate():
            return _by_person(issue, command)
        case _:
            return by_holder(issue, command)


def _merged(issue: Issue, merge: c.RecordMerged) -> list[e.Event]:
    merged = e.Merged(head=merge.head, sha=merge.sha, by=merge.by)
    if issue.merged or issue.status == "done":
        return []
    return [merged] if issue.status == "cancelled" else [merged, e.IssueDone()]


def _green_again(issue: Issue) -> list[e.Event]:
    """A failed check that was run again and passed asks for no repair any more: the head is judged anew."""
    pull = issue.pull_request
    if pull is None or issue.holder is not None or (issue.rework, pull.checks) != ("ci_failed", "passed"):
        return []
    waits = issue.status in ("queued", "changes_requested")
    return [e.PrUpdated(number=pull.number, head=pull.head)] if waits else []


def _observe_issue(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    if issue.status == "new" or issue.status in TERMINAL:
        anew = issue.status == "new" or seen.labelling > issue.labelling
        return [_approval(seen, seen.approver)] if anew and seen.ready and seen.open and seen.approver else []
    if issue.merged or issue.status == "merging":
        return []  # our own merge closes the issue
    if not seen.open:
        return [e.IssueCancelled(reason="The issue was closed on GitHub.", by="github")]
    if issue.status == "escalated" and seen.ready and seen.approver and seen.labelling > issue.labelling:
        decided = e.EscalationDecided(by=seen.approver, decision="retry", labelling=seen.labelling)
        return _try_again(issue, decided)
    if not seen.ready and issue.status in ("queued", "blocked"):
        return [e.IssueCancelled(reason=f"The label {READY_LABEL} was removed.", by="github")]
    priority = priority_of(seen.labels)
    return [] if priority == issue.priority else [e.IssuePrioritized(priority=priority, by="github")]


def _approval(seen: c.ObserveIssue, by: str) -> e.IssueApproved:
    return e.IssueApproved(
        repository_id=seen.repository_id,
        repository=seen.repository,
        number=seen.number,
        title=seen.title,
        body=seen.body,
        url=seen.url,
        author=seen.author,
        labels=seen.labels,
        priority=priority_of(seen.labels),
        stack=seen.stack,
        base=seen.base,
        approved_by=by,
        labelling=seen.labelling,
    )


def priority_of(labels: list[str]) -> e.Priority:
    """`critical`, then `high-priority`, else normal."""
    names = {label.lower() for label in labels}
    return "critical" if "critical" in names else "high" if names & {"high-priority", "high"} else "normal"


def _with_caps(issue: Issue, events: list[e.Event], command: c.ObservePullRequest) -> list[e.Event]:
    """Add what follows from an observation: an escalation where a loop is at its cap, else the gate's verdict."""
    after = fold(events, issue)
    if after.status == "changes_requested" and after.ci_failures > MAX_CI_FAILURES and after.rework == "ci_failed":
        return [*events, e.Escalated(cause=f"CI failed {after.ci_failures} times.", evidence=after.feedback)]
    if after.status != "ready_to_merge":
        return events
    verdict = gate(after, command.pull, command.policy)
    match verdict:
        case Merge(head=head):
            return [*events, e.MergeGatePassed(head=head, policy=command.policy.digest)]
        case Wait(head=head, reasons=reasons) | Refuse(head=head, reasons=reasons):
            known = reasons == after.waiting_for
            return events if known else [*events, e.MergeGateWaiting(head=head, reasons=reasons)]
        case _:
            assert_never(verdict)


def _assign(issue: Issue, ask: c.Assign) -> list[e.Event]:
    holder = issue.holder
    if holder and (holder.agent, holder.instance) == (ask.agent, ask.instance) and holder.boot != ask.boot:
        return _hand_over(issue, holder, ask)
    open_offer = offer(issue)
    if open_offer is None:
        raise Conflict(f"{issue.key} has no work to give: it is {issue.status}.")
    if open_offer.role != ask.role and ask.role != "person":
        raise Forbidden(f"{issue.key} needs the role {open_offer.role}.")
    if ask.agent in open_offer.excluded:
        raise Forbidden(f"{ask.agent} wrote {issue.key} and cannot review it.")
    if open_offer.kind not in ask.kinds:
        raise Conflict(f"{issue.key} offers {open_offer.kind} work.")
    return [_assignment(issue, open_offer.kind, ask)]


def _hand_over(issue: Issue, holder: Holder, ask: c.Assign) -> list[e.Event]:
    """A restarted process goes on where it was, under a new fence that shuts the old process out.

    Where the work was handed in already, or has become pointless, the claim just ends.
    """
    left = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="released", note="The process restarted.")
    free = fold([left], issue)
    again = offer(free)
    fits = again is not None and again.role in (ask.role, _role(holder.kind)) and ask.agent not in again.excluded
    return [left, _assignment(free, again.kind, ask)] if again and fits else [left]


def _role(kind: e.Kind) -> str:
    return "review" if kind == "review" else "dev"


def _assignment(issue: Issue, kind: e.Kind, ask: c.Assign) -> e.Event:
    fence = issue.fence + 1
    if kind == "review" and issue.pull_request:
        return e.ReviewAssigned(
            agent=ask.agent,
            instance=ask.instance,
            boot=ask.boot,
            fence=fence,
            run=ask.run,
            head=issue.pull_request.head,
            round=issue.reviews + 1,
        )
    return e.IssueAssigned(
        kind=kind,
        agent=ask.agent,
        instance=ask.instance,
        boot=ask.boot,
        fence=fence,
        run=ask.run,
        attempt=issue.attempt,
        branch=issue.pull_request.branch if issue.pull_request else issue.branch,
    )


def _by_person(
    issue: Issue, command: c.Approve | c.Prioritize | c.Cancel | c.Reassign | c.DecideGate
) -> list[e.Event]:
    if issue.status == "new":
        raise NotFound(f"The rig does not know the issue. Label it {READY_LABEL} on GitHub.")
    match command:
        case c.Approve(by=by):
            decided = e.EscalationDecided(by=by, decision="retry")
            return _try_again(issue, decided) if issue.status == "escalated" else []
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


def _try_again(issue: Issue, decided: e.EscalationDecided) -> list[e.Event]:
    """Work goes on; a pull request of which nothing was asked is looked at and judged anew."""
    after = fold([decided], issue)
    pull = after.pull_request
    judged = pull is not None and after.rework is None
    return [decided, e.PrUpdated(number=pull.number, head=pull.head)] if pull and judged else [decided]


def _decide_gate(issue: Issue, answer: c.DecideGate) -> list[e.Event]:
    if issue.status == "escalated":
        decided = e.EscalationDecided(
            by=answer.by, decision="retry" if answer.approve else "cancel", note=answer.note
        )
        cancelled = e.IssueCancelled(reason=answer.note or "A person decided so.", by=answer.by)
        return _try_again(issue, decided) if answer.approve else [decided, cancelled]
    if issue.status != "awaiting_human" or issue.pull_request is None:
        raise Conflict(f"{issue.key} does not wait for a decision; it is {issue.status}.")
    kind = e.HumanGateApproved if answer.approve else e.HumanGateRejected
    return [kind(head=issue.pull_request.head, by=answer.by, note=answer.note)]
