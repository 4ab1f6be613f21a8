"""What the gate's verdict makes of an issue: it merges, waits, or asks a person; pure, a part of `decide`."""

from __future__ import annotations

from typing import assert_never

from conductor import events as e
from conductor.comments import STATUS_CONTEXT
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.merge.gate import Human, Merge, Refuse, Wait, decided_on_github, gate
from conductor.merge.policy import Policy
from conductor.merge.snapshot import Snapshot
from conductor.merge.train import MAX_REFUSALS, settled


def keep_gate(issue: Issue, pull: Snapshot, policy: Policy) -> list[e.Event]:
    """The events that follow for `issue` from a look at its pull request; none where nothing changes."""
    events: list[e.Event] = []
    for step in (_judge, _decided, _judge):
        events += step(fold(events, issue), pull, policy)
    return events


def _judge(issue: Issue, pull: Snapshot, policy: Policy) -> list[e.Event]:
    if issue.status == "merging" and issue.merged is None:
        return _out_of_train(issue, pull, policy)
    if issue.status != "ready_to_merge":
        return []
    verdict = gate(issue, pull, policy)
    match verdict:
        case Merge() if issue.pull_request and issue.pull_request.refusals >= MAX_REFUSALS:
            cause = f"GitHub refused {MAX_REFUSALS} times to merge it: {' '.join(issue.waiting_for)}"
            return [e.Escalated(cause=cause, brake="refused")]
        case Merge(head=head):
            return [e.MergeGatePassed(head=head, policy=policy.digest)]
        case Human(head=head, reasons=reasons, evidence=evidence):
            asked = e.HumanGateTriggered(head=head, triggers=reasons, evidence=evidence, policy=policy.digest)
            return [asked]
        case Wait(head=head, reasons=reasons, people=people) | Refuse(head=head, reasons=reasons, people=people):
            known = reasons == issue.waiting_for
            waiting = e.MergeGateWaiting(head=head, reasons=reasons, people=people, ci=not _is_tested(pull))
            return [] if known else [waiting]
        case _:
            assert_never(verdict)


def _is_tested(pull: Snapshot) -> bool:
    """Whether nothing is left for CI to say; the gate's own status is none of CI's."""
    said = {check.name for check in pull.checks} | {STATUS_CONTEXT}
    return pull.checks_state in ("success", "failure") and said.issuperset(pull.required_checks)


def _out_of_train(issue: Issue, pull: Snapshot, policy: Policy) -> list[e.Event]:
    """It steps aside where it waits for more than its turn, for CI, or for GitHub to make up its mind."""
    verdict = gate(issue, pull, policy)
    if isinstance(verdict, Merge) or isinstance(gate(issue, settled(pull), policy), Merge):
        return []
    tested = _is_tested(pull)
    return [e.MergeGateWaiting(head=verdict.head, reasons=verdict.reasons, people=verdict.people, ci=not tested)]


def _decided(issue: Issue, pull: Snapshot, _policy: Policy) -> list[e.Event]:
    """A person's review on GitHub answers the human gate as `decide_gate` does."""
    if issue.status != "awaiting_human" or pull.state != "open":
        return []
    review = decided_on_github(issue, pull)
    if review is None:
        return []
    if review.state == "approved":
        return [e.HumanGateApproved(head=pull.head_sha, by=review.author)]
    return [e.HumanGateRejected(head=pull.head_sha, by=review.author, note=review.body)]
