"""Why an issue does not go on by itself, in the sentences of commit status, `explain_issue` and page: pure."""

from __future__ import annotations

from conductor.comments import person_needed
from conductor.issues import blocked
from conductor.issues.issue import READY_LABEL, Issue, Offer, offer
from conductor.merge.train import Place, in_train


def waits_for(issue: Issue, place: Place | None = None) -> list[str]:
    """One sentence for each thing that it waits for.

    Args:
        place: Where it stands in the merge train, if it does.
    """
    pull, work = issue.pull_request, offer(issue)
    match issue.status:
        case "escalated":
            return [f"A person has to decide: {issue.escalation}"]
        case "cancelled" if not issue.merged:
            return [f"The work was stopped; setting the label {READY_LABEL} again starts anew."]
        case "blocked" if issue.blocked:
            return blocked.words(issue.blocked)
        case "awaiting_human":
            return [person_needed(trigger) for trigger in issue.human_gate]
        case "ready_to_merge":
            return issue.waiting_for or ["The merge gate is looking."]
        case "merging" if not issue.merged:
            return [in_train(issue, place)]
        case "deploying":
            return _deploying(issue)
        case "in_review" if pull and pull.checks == "unknown":
            return [f"CI has not finished at {pull.head[:7]} yet; without CI nothing merges."]
        case _ if issue.holder:
            return [f"{issue.holder.agent} works on it ({issue.holder.kind})."]
        case _ if work:
            return [_offered(issue, work)]
        case _:
            return []


def _offered(issue: Issue, work: Offer) -> str:
    stack = f" for {work.stack}" if work.stack else ""
    first = f" {issue.parked} had to leave it and has it first." if issue.parked else ""
    who = work.only or f"somebody with the role {work.role}{stack}"
    return f"It waits for {who} ({work.kind}).{first}"


def _deploying(issue: Issue) -> list[str]:
    left = [step for step in issue.deploys if not issue.deployed.get(step, "").startswith("passed")]
    return [f"It is merged; it waits for {', '.join(left)}."] if left else []
