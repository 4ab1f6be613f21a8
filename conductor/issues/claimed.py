"""What the holder of a claim may ask, and how a claim ends: pure, a part of `decide`."""

from __future__ import annotations

from typing import Literal

import msgspec

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.evolve import fold
from conductor.issues.issue import Holder, Issue
from conductor.issues.judgement import judged
from conductor.issues.limits import Limits
from servers.kit.errors import Conflict, Fenced, Forbidden, InvalidInput, Superseded

Reason = Literal["completed", "released", "never_started", "parked"]


def holder_of(issue: Issue, command: c.Held) -> Holder:
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


def by_holder(issue: Issue, command: c.Held, limits: Limits) -> list[e.Event]:
    """The events that answer what the holder asks.

    Raises:
        Refused: The caller does not hold the issue, or may not do this now.
    """
    holder = holder_of(issue, command)
    match command:
        case c.StartWork(agent=agent, fence=fence):
            return [e.WorkStarted(agent=agent, fence=fence)] if issue.status == "assigned" else []
        case c.ReportBranch(branch=branch) if branch != issue.branch:
            raise Conflict(f"The work on {issue.key} belongs on the branch {issue.branch}. Push there.")
        case c.ReportBranch(branch=branch, fence=fence):
            return [] if issue.branched == fence else [e.BranchCreated(branch=branch, fence=fence)]
        case c.ReportPullRequest():
            return _report_pull_request(issue, command, holder)
        case c.ReportGuardBlocked(agent=agent, tool=tool, reason=reason):
            return [e.GuardBlocked(agent=agent, tool=tool, reason=reason)]
        case c.ReportBudgetExceeded():
            return _over_budget(issue, command, holder)
        case c.Complete(summary=summary):
            return _complete(issue, holder, summary)
        case c.Release(reason=reason, parked=parked):
            return [_left(holder, "parked" if parked else "released", reason)]
        case c.ReportStuck(reason=reason) if _moot(issue, holder):
            return [_end_moot(holder, reason)]
        case c.ReportStuck(reason=reason, error_class=error_class, evidence=evidence):
            stuck = e.AgentStuck(
                agent=holder.agent, fence=holder.fence, reason=reason, error_class=error_class, evidence=evidence
            )
            return _strike(issue, [stuck], limits)
        case c.SubmitReview():
            return _review(issue, command, holder, limits)
        case c.SubmitReadiness():
            return judged(issue, command, holder)
        case _:
            raise InvalidInput(f"{type(command).__name__} is not something a holder may ask.")


def _over_budget(issue: Issue, over: c.ReportBudgetExceeded, holder: Holder) -> list[e.Event]:
    """A person decides what becomes of the issue; a day whose money is spent ends by itself."""
    said = e.BudgetExceeded(
        agent=holder.agent, usd=over.spent, limit_usd=over.limit, scope=over.scope, reason=over.reason
    )
    if _moot(issue, holder):
        return [said, _end_moot(holder, over.reason)]
    if over.scope in ("agent_day", "rig_day"):
        return [said, _left(holder, "parked", over.reason)]
    return [said, e.Escalated(cause=over.reason, evidence=over.evidence, brake="budget")]


def _report_pull_request(issue: Issue, report: c.ReportPullRequest, holder: Holder) -> list[e.Event]:
    if holder.kind in ("review", "verify"):
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
    moved = known.head != report.head
    return [e.PrUpdated(number=known.number, head=report.head, fence=holder.fence)] if moved else []


def _complete(issue: Issue, holder: Holder, summary: str) -> list[e.Event]:
    done = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="completed", note=summary)
    if holder.kind == "review":
        raise Conflict("The review is not submitted yet. Call submit_review.")
    if holder.kind == "verify":
        raise Conflict("The readiness check is not submitted yet. Call submit_readiness.")
    if issue.status in ("assigned", "in_progress"):
        raise Conflict(f"{issue.key} has no pull request at a new head yet. Report PR_CREATED or PR_UPDATED first.")
    return [done]


def _review(issue: Issue, review: c.SubmitReview, holder: Holder, limits: Limits) -> list[e.Event]:
    pull = issue.pull_request
    done = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="completed")
    if holder.kind != "review" or pull is None:
        raise Forbidden(f"Your claim on {issue.key} is not a review.")
    if issue.status != "in_review" or pull.head != review.head:
        moved = f"the head moved to {pull.head[:7]}" if pull.head != review.head else f"it is {issue.status} already"
        return [msgspec.structs.replace(done, note=f"The verdict does not count: {moved}.")]
    verdict = e.ReviewPassed if review.verdict == "approve" else e.ReviewDisputed
    said = verdict(
        agent=holder.agent,
        head=review.head,
        summary=review.summary,
        comments=review.comments,
        fence=holder.fence,
    )
    events: list[e.Event] = [said, done]
    if review.verdict == "request_changes" and issue.reviews + 1 >= limits.reviews:
        cause = f"{issue.reviews + 1} reviews did not lead to an approval."
        stop = e.Escalated(cause=cause, evidence=review.summary, brake="reviews")
        events += [e.ReviewLoopExceeded(rounds=issue.reviews + 1), stop]
    return events


def expire(issue: Issue, lapse: c.ExpireLease, limits: Limits) -> list[e.Event]:
    """The end of a lease: a strike, unless nobody ever started or the work was over already."""
    holder = issue.holder
    if holder is None or holder.fence != lapse.fence:
        return []
    if not lapse.started:
        return [_left(holder, "never_started")]
    if _moot(issue, holder):
        return [_end_moot(holder, "The lease ended after the work was over.")]
    return _strike(issue, [e.LeaseExpired(agent=holder.agent, fence=holder.fence)], limits)


def park(issue: Issue, ask: c.Park) -> list[e.Event]:
    """Take the work from a holder who was told to make room and went on; it costs no strike."""
    holder = issue.holder
    return [_left(holder, "parked", ask.reason)] if holder and holder.fence == ask.fence else []


def noticed(issue: Issue, still: c.NoticeStandstill, limits: Limits) -> list[e.Event]:
    """A holder that lives but gets nowhere is stuck, unless its work was over already."""
    holder = issue.holder
    if holder is None or holder.fence != still.fence:
        return []
    words = f"No progress for {still.minutes:g} minutes."
    if _moot(issue, holder):
        return [_end_moot(holder, words)]
    stuck = e.AgentStuck(agent=holder.agent, fence=holder.fence, reason=words, error_class="no_progress")
    return _strike(issue, [stuck], limits)


def _moot(issue: Issue, holder: Holder) -> bool:
    """Whether the issue no longer waits for its holder, whose end is no failure then."""
    if holder.kind == "review":
        return issue.status != "in_review"
    return issue.status not in ("assigned", "in_progress")


def _end_moot(holder: Holder, note: str) -> e.Event:
    return _left(holder, "completed", note)


def _left(holder: Holder, reason: Reason, note: str = "") -> e.Event:
    return e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason=reason, note=note)


def _strike(issue: Issue, events: list[e.Event], limits: Limits) -> list[e.Event]:
    """Another try after the first strike, a person after the second."""
    after = fold(events, issue)
    if after.strikes >= limits.strikes and after.status in ("queued", "stuck", "in_review"):
        cause = f"{after.strikes} attempts failed."
        return [*events, e.Escalated(cause=cause, evidence=after.evidence, brake="strikes")]
    if after.status == "stuck":
        return [*events, e.IssueUnassigned(agent=after.struck[-1], fence=after.fence, reason="released")]
    return events
