"""What happens when something is asked of an issue: `decide(issue, command) → events`; pure, deaf to repetition."""

from __future__ import annotations

from typing import assert_never

import msgspec

from conductor import commands as c
from conductor import events as e
from conductor.evolve import fold
from conductor.gate import Merge, Refuse, Wait, gate
from conductor.issue import Holder, Issue, offer
from conductor.lifecycle import TERMINAL
from conductor.observe import observe_pull_request
from servers.kit.errors import Conflict, Fenced, Forbidden, InvalidInput, NotFound, Superseded

READY_LABEL = "agent-ready"
STRIKES = 2
MAX_REVIEWS = 5
MAX_CI_FAILURES = 3


def decide(issue: Issue, command: c.Command) -> list[e.Event]:
    """The events that answer `command`; none if everything it says is known already.

    Raises:
        Refused: The command is not allowed now; the message says why and what to do.
    """
    events = _decide(issue, command)
    fold(events, issue)  # refuses what the lifecycle does not know
    return events


def _decide(issue: Issue, command: c.Command) -> list[e.Event]:
    match command:
        case c.ObserveIssue():
            return _observe_issue(issue, command)
        case c.ObservePullRequest():
            return _with_caps(issue, observe_pull_request(issue, command.pull), command)
        case c.Assign():
            return _assign(issue, command)
        case c.ExpireLease():
            return _expire(issue, command)
        case c.RecordMerged(head=head, sha=sha, by=by):
            return [] if issue.merged else [e.Merged(head=head, sha=sha, by=by), e.IssueDone()]
        case c.RecordMergeRefused(head=head, reason=reason):
            known = issue.status != "merging"
            return [] if known else [e.MergeGateWaiting(head=head, reasons=[f"GitHub did not merge it: {reason}"])]
        case c.RecordEffectFailed(effect=effect, error=error):
            over = issue.status in TERMINAL or issue.status in ("new", "escalated")
            return (
                [] if over else [e.Escalated(cause=f"The rig could not {effect.replace('_', ' ')}.", evidence=error)]
            )
        case c.Approve() | c.Prioritize() | c.Cancel() | c.Reassign() | c.DecideGate():
            return _by_person(issue, command)
        case _:
            return _by_holder(issue, command, _holder(issue, command))


def _observe_issue(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    if issue.status == "new" or (issue.status in TERMINAL and seen.open):
        return [_approval(seen, seen.approver)] if seen.ready and seen.open and seen.approver else []
    if issue.status in TERMINAL or issue.status == "merging":
        return []  # our own merge closes the issue
    if not seen.open:
        return [e.IssueCancelled(reason="The issue was closed on GitHub.", by="github")]
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
    """A restarted process goes on where it was, under a new fence that shuts the old process out."""
    left = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="released", note="The process restarted.")
    return [left, _assignment(fold([left], issue), holder.kind, ask)]


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


def _expire(issue: Issue, lapse: c.ExpireLease) -> list[e.Event]:
    holder = issue.holder
    if holder is None or holder.fence != lapse.fence:
        return []
    if not lapse.started:
        return [e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="never_started")]
    return _strike(issue, [e.LeaseExpired(agent=holder.agent, fence=holder.fence)])


def _strike(issue: Issue, events: list[e.Event]) -> list[e.Event]:
    """Another try after the first strike, a person after the second; work already handed in is no failure."""
    after = fold(events, issue)
    if after.strikes >= STRIKES and after.status in ("queued", "stuck", "in_review"):
        return [*events, e.Escalated(cause=f"{after.strikes} attempts failed.", evidence=after.evidence)]
    if after.status == "stuck":
        return [*events, e.IssueUnassigned(agent=after.struck[-1], fence=after.fence, reason="released")]
    return events


def _holder(issue: Issue, command: c.Held) -> Holder:
    """The proof that the caller holds the issue.

    Raises:
        Superseded: Another process of the same instance took over.
        Fenced: Somebody else has it, or nobody.
    """
    holder = issue.holder
    said = (command.agent, command.fence, command.instance, command.boot)
    if holder and said == (holder.agent, holder.fence, holder.instance, holder.boot):
        return holder
    if (
        holder
        and (holder.agent, holder.instance) == (command.agent, command.instance)
        and holder.boot != command.boot
    ):
        raise Superseded(f"Another process of {command.instance} took {issue.key} over. Stop; do not write any more.")
    state = f"{holder.agent} has it now" if holder else f"it is {issue.status}"
    raise Fenced(f"Your claim on {issue.key} (fence {command.fence}) is over: {state}. Stop; do not write any more.")


def _by_holder(issue: Issue, command: c.Held, holder: Holder) -> list[e.Event]:
    match command:
        case c.StartWork(agent=agent, fence=fence):
            return [e.WorkStarted(agent=agent, fence=fence)] if issue.status == "assigned" else []
        case c.ReportBranch(branch=branch, fence=fence):
            return [e.BranchCreated(branch=branch, fence=fence)]
        case c.ReportPullRequest():
            return _report_pull_request(issue, command, holder)
        case c.ReportGuardBlocked(agent=agent, tool=tool, reason=reason):
            return [e.GuardBlocked(agent=agent, tool=tool, reason=reason)]
        case c.Complete(summary=summary):
            return _complete(issue, holder, summary)
        case c.Release(reason=reason):
            return [e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="released", note=reason)]
        case c.ReportStuck(reason=reason, error_class=error_class, evidence=evidence):
            stuck = e.AgentStuck(
                agent=holder.agent, fence=holder.fence, reason=reason, error_class=error_class, evidence=evidence
            )
            return _strike(issue, [stuck])
        case c.SubmitReview():
            return _review(issue, command, holder)
        case _:
            raise InvalidInput(f"{type(command).__name__} is not something a holder may ask.")


def _report_pull_request(issue: Issue, report: c.ReportPullRequest, holder: Holder) -> list[e.Event]:
    if holder.kind == "review":
        raise Forbidden("A reviewer does not push.")
    known = issue.pull_request
    if known is None:
        return [
            e.PrCreated(
                number=report.number,
                url=report.url,
                head=report.head,
                branch=issue.branch,
                author=holder.agent,
                fence=holder.fence,
            )
        ]
    if known.number != report.number:
        raise Conflict(f"{issue.key} already has pull request #{known.number}.")
    return (
        [] if known.head == report.head else [e.PrUpdated(number=known.number, head=report.head, fence=holder.fence)]
    )


def _complete(issue: Issue, holder: Holder, summary: str) -> list[e.Event]:
    done = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="completed", note=summary)
    if holder.kind == "review":
        raise Conflict("The review is not submitted yet. Call submit_review.")
    if issue.status in ("assigned", "in_progress"):
        raise Conflict(f"{issue.key} has no pull request at a new head yet. Report PR_CREATED or PR_UPDATED first.")
    return [done]


def _review(issue: Issue, review: c.SubmitReview, holder: Holder) -> list[e.Event]:
    pull = issue.pull_request
    done = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="completed")
    if holder.kind != "review" or pull is None:
        raise Forbidden(f"Your claim on {issue.key} is not a review.")
    if issue.status != "in_review" or pull.head != review.head:
        return [msgspec.structs.replace(done, note=f"The head moved to {pull.head[:7]}; the verdict does not count.")]
    verdict = e.ReviewPassed if review.verdict == "approve" else e.ReviewDisputed
    said = verdict(
        agent=holder.agent,
        head=review.head,
        summary=review.summary,
        comments=review.comments,
        fence=holder.fence,
    )
    events: list[e.Event] = [said, done]
    if review.verdict == "request_changes" and issue.reviews + 1 >= MAX_REVIEWS:
        cause = f"{issue.reviews + 1} reviews did not lead to an approval."
        events += [e.ReviewLoopExceeded(rounds=issue.reviews + 1), e.Escalated(cause=cause, evidence=review.summary)]
    return events


def _by_person(
    issue: Issue, command: c.Approve | c.Prioritize | c.Cancel | c.Reassign | c.DecideGate
) -> list[e.Event]:
    if issue.status == "new":
        raise NotFound(f"The rig does not know the issue. Label it {READY_LABEL} on GitHub.")
    match command:
        case c.Approve(by=by):
            decided = e.EscalationDecided(by=by, decision="retry")
            return [decided] if issue.status == "escalated" else []
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


def _decide_gate(issue: Issue, answer: c.DecideGate) -> list[e.Event]:
    if issue.status == "escalated":
        decided = e.EscalationDecided(
            by=answer.by, decision="retry" if answer.approve else "cancel", note=answer.note
        )
        cancelled = e.IssueCancelled(reason=answer.note or "A person decided so.", by=answer.by)
        return [decided] if answer.approve else [decided, cancelled]
    if issue.status != "awaiting_human" or issue.pull_request is None:
        raise Conflict(f"{issue.key} does not wait for a decision; it is {issue.status}.")
    kind = e.HumanGateApproved if answer.approve else e.HumanGateRejected
    return [kind(head=issue.pull_request.head, by=answer.by, note=answer.note)]
