"""Who gets offered work: pure, a part of `decide`."""

from __future__ import annotations

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.evolve import fold
from conductor.issues.issue import Holder, Issue, offer
from servers.kit.errors import Conflict, Forbidden


def assign(issue: Issue, ask: c.Assign) -> list[e.Event]:
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
    if open_offer.only not in (None, ask.agent) and ask.role != "person":
        raise Forbidden(f"{issue.key} waits for {open_offer.only} alone.")
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
    return "review" if kind in ("review", "verify") else "dev"


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
