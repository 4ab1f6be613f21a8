"""What happens when something is asked of an issue: `decide(issue, command) → events`; pure, deaf to repetition."""

from __future__ import annotations

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.assign import assign
from conductor.issues.breakers import overspent, same_failure, stood_still
from conductor.issues.by_person import by_person
from conductor.issues.claimed import by_holder, expire, noticed, park
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.issues.lifecycle import TERMINAL
from conductor.issues.limits import Limits
from conductor.issues.observe import observe_pull_request
from conductor.issues.observe_issue import observe_issue
from conductor.merge.deployments import Outcome, awaiting, observe_rollout, record_step
from conductor.merge.gatekeeping import keep_gate

DEFAULTS = Limits()


def decide(issue: Issue, command: c.Command, limits: Limits = DEFAULTS) -> list[e.Event]:
    """The events that answer `command`; none if everything it says is known already.

    Raises:
        Refused: The command is not allowed now; the message says why and what to do.
    """
    return decided(issue, command, limits)[0]


def decided(issue: Issue, command: c.Command, limits: Limits = DEFAULTS) -> tuple[list[e.Event], Issue]:
    """What `decide` says, and the issue after it.

    Raises:
        Refused: As there.
    """
    deploys = command.deploys if isinstance(command, c.ObservePullRequest | c.RecordMerged) else []
    events = awaiting(_decide(issue, command, limits), deploys)
    after = fold(events, issue)  # refuses what the lifecycle does not know
    further = same_failure(events, after, limits) or _green_again(after)
    return events + further, fold(further, after)


def _decide(issue: Issue, command: c.Command, limits: Limits) -> list[e.Event]:
    match command:
        case c.ObserveIssue():
            return observe_issue(issue, command)
        case c.ObservePullRequest():
            return _with_caps(issue, observe_pull_request(issue, command.pull, command.carried), command, limits)
        case c.Assign():
            return assign(issue, command)
        case c.ExpireLease():
            return expire(issue, command, limits)
        case c.Park():
            return park(issue, command)
        case c.NoticeStandstill(fence=None):
            return stood_still(issue, command)
        case c.NoticeStandstill():
            return noticed(issue, command, limits)
        case c.RecordSpend():
            return overspent(issue, command, limits)
        case c.PauseRepository(reason=reason):
            over = issue.status in TERMINAL or issue.status == "new"
            return [] if over else [e.RigPaused(scope=issue.repository, by="conductor", reason=reason)]
        case c.RecordMerged():
            return _merged(issue, command)
        case c.ObserveRollout(rollout=rollout, plan=plan):
            return observe_rollout(issue, rollout, plan)
        case c.RecordStep(step=step, by=by, passed=passed, run=run, evidence=evidence, plan=plan):
            return record_step(issue, step, by, Outcome(passed, run, evidence), plan)
        case c.ObserveRepository(name=name):
            known = issue.status == "new" or name == issue.repository
            return [] if known else [e.RepositoryRenamed(repository=name, before=issue.repository)]
        case c.RecordMergeRefused(head=head, reasons=reasons):
            pull = issue.pull_request
            current = issue.status == "merging" and pull is not None and pull.head == head
            return [e.MergeGateWaiting(head=head, reasons=reasons, refused=True)] if current else []
        case c.RecordEffectFailed(effect=effect, error=error):
            over = issue.status in TERMINAL or issue.status in ("new", "escalated")
            cause = f"The rig could not {effect.replace('_', ' ')}."
            return [] if over else [e.Escalated(cause=cause, evidence=error, brake="effect")]
        case c.Approve() | c.Prioritize() | c.Cancel() | c.Reassign() | c.DecideGate():
            return by_person(issue, command)
        case _:
            return by_holder(issue, command, limits)


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


def _with_caps(issue: Issue, events: list[e.Event], command: c.ObservePullRequest, limits: Limits) -> list[e.Event]:
    """Add what follows from an observation: an escalation where a loop is at its cap, else the gate's verdict."""
    after = fold(events, issue)
    if after.status == "changes_requested" and after.ci_failures > limits.ci_failures and after.rework == "ci_failed":
        cause = f"CI failed {after.ci_failures} times."
        return [*events, e.Escalated(cause=cause, evidence=after.feedback, brake="ci_failures")]
    return events + keep_gate(after, command.pull, command.policy)
