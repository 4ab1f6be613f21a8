"""What a fresh look at an issue on GitHub tells that the rig does not know yet: pure, a part of `decide`."""

from __future__ import annotations

from conductor import commands as c
from conductor import events as e
from conductor.by_person import try_again
from conductor.issue import READY_LABEL, Issue
from conductor.lifecycle import TERMINAL


def observe_issue(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    if issue.status == "new" or issue.status in TERMINAL:
        anew = issue.status == "new" or seen.labelling > issue.labelling
        return [_approval(seen, seen.approver)] if anew and seen.ready and seen.open and seen.approver else []
    if issue.merged or issue.status == "merging":
        return []  # our own merge closes the issue
    if not seen.open:
        return [e.IssueCancelled(reason="The issue was closed on GitHub.", by="github")]
    if issue.status == "escalated" and seen.ready and seen.approver and seen.labelling > issue.labelling:
        decided = e.EscalationDecided(by=seen.approver, decision="retry", labelling=seen.labelling)
        return try_again(issue, decided)
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
