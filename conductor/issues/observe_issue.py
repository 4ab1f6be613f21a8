"""What a fresh look at an issue on GitHub tells that the rig does not know yet: pure, a part of `decide`."""

from __future__ import annotations

from typing import Any

from conductor import events as e
from conductor.comments import UNLABELLED, unreadable
from conductor.issues import commands as c
from conductor.issues.blocked import event_of
from conductor.issues.by_person import try_again
from conductor.issues.changes import GITHUB
from conductor.issues.evolve import fold
from conductor.issues.issue import Blocked, Issue
from conductor.issues.lifecycle import TERMINAL

CONFIG = "repository_config"


def observe_issue(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    """The events that bring `issue` up to date with what GitHub shows; none if nothing is new."""
    if issue.status == "new" or issue.status in TERMINAL:
        return _approved(issue, seen)
    if issue.merged:
        return []  # our own merge closes the issue, and whoever looks at it sees the merge first
    if not seen.open:
        return [e.IssueCancelled(reason="The issue was closed on GitHub.", by=GITHUB)]
    if issue.status == "escalated":
        return _escalated(issue, seen)
    if not seen.ready:
        return [e.IssueCancelled(reason=UNLABELLED, by=GITHUB)]
    return [*_priority(issue, seen), *_held(issue, seen)]


def _approved(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    anew = issue.status == "new" or seen.labelling > issue.labelling
    if not (anew and seen.ready and seen.open and seen.approver):
        return []
    approved = _approval(seen, seen.approver)
    return [approved, *_held(fold([approved], issue), seen)]


def _escalated(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    """A new setting of the label is a person's decision; a file that is valid again decides for itself."""
    stack = seen.stack if issue.brake == CONFIG else None
    if seen.ready and seen.approver and seen.labelling > issue.labelling:
        decided = e.EscalationDecided(by=seen.approver, decision="retry", labelling=seen.labelling, stack=stack)
    elif seen.ready and issue.brake == CONFIG and seen.config_error == "":
        decided = e.EscalationDecided(by=GITHUB, decision="retry", stack=stack)
    else:
        return []
    events = try_again(issue, decided)
    return [*events, *_held(fold(events, issue), seen)]


def _priority(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    """What the labels say, once they say something else than before: until then a person's priority stands."""
    priority = priority_of(seen.labels)
    return [] if priority == issue.label_priority else [e.IssuePrioritized(priority=priority, by=GITHUB)]


def _held(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    """Whether the issue may be worked on, as long as there is no pull request of the rig's."""
    if not seen.related or issue.pull_request is not None:
        return []
    match issue.status:
        case "queued" | "blocked" if seen.config_error:  # nobody works by rules that cannot be read
            return [e.Escalated(cause=unreadable(issue.base), evidence=seen.config_error, brake=CONFIG)]
        case "queued" | "blocked":
            return _waiting(issue, seen)
        case "assigned" | "in_progress" if issue.holder and seen.rival:
            note = f"{seen.rival.author} opened {seen.rival.key}, which closes {issue.key}."
            left = e.IssueUnassigned(
                agent=issue.holder.agent, fence=issue.holder.fence, reason="superseded", note=note
            )
            return [left, event_of(_by_rival(seen.rival))]
        case _:
            return []


def _waiting(issue: Issue, seen: c.ObserveIssue) -> list[e.Event]:
    edited = _edits(issue, seen)
    if seen.sub_issues and all(one.state == "closed" for one in seen.sub_issues):
        parts = [one.key for one in seen.sub_issues]
        over = event_of(Blocked(why="sub_issues", by=parts))
        return [*([] if issue.blocked else [over]), e.IssueDone(parts=parts)]
    block = _block(issue, seen)
    if block is None and issue.blocked:
        return [e.IssueUnblocked(**edited)]
    events: list[e.Event] = [e.IssueEdited(**edited)] if edited else []
    return [*events, event_of(block)] if block and block != issue.blocked else events


def _edits(issue: Issue, seen: c.ObserveIssue) -> dict[str, Any]:
    now = {"title": seen.title, "body": seen.body, "stack": seen.stack}
    return {name: value for name, value in now.items() if value != getattr(issue, name)}


def _block(issue: Issue, seen: c.ObserveIssue) -> Blocked | None:
    """The strongest reason why nobody may work on the issue."""
    if seen.circle:
        return Blocked(why="cycle", by=seen.circle)
    if asked := _questions(issue, seen):
        return asked
    if parts := [one for one in seen.sub_issues if one.state == "open"]:
        return _by_others("sub_issues", parts, [one.key for one in parts if not one.ready])
    if before := [one for one in seen.dependencies if one.state != "closed"]:
        return _by_others("dependencies", before, [one.key for one in before if one.state == "unknown"])
    return _by_rival(seen.rival) if seen.rival else None


def _by_others(why: e.Block, others: list[c.Other], missing: list[str]) -> Blocked:
    return Blocked(why=why, by=[one.key for one in others], missing=missing)


def _by_rival(rival: c.Rival) -> Blocked:
    return Blocked(why="pull_request", by=[rival.key], author=rival.author)


def _questions(issue: Issue, seen: c.ObserveIssue) -> Blocked | None:
    """What the author still has to answer.

    An answer is taken as it is; work that began is not asked about; and whoever repaired a part of what was
    asked is not asked again for the rest.
    """
    asked = issue.blocked if issue.blocked and issue.blocked.why == "questions" else None
    if seen.answered or seen.sub_issues or (issue.runs and not asked):
        return None
    if asked and set(seen.questions) <= set(asked.questions):
        same = (seen.title, seen.body) == (issue.title, issue.body)
        return asked if seen.questions or (asked.asked_by and same) else None
    return Blocked(why="questions", questions=seen.questions) if seen.questions else None


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
        judge=seen.judge,
    )


def priority_of(labels: list[str]) -> e.Priority:
    """`critical`, then `high-priority`, else normal."""
    names = {label.lower() for label in labels}
    return "critical" if "critical" in names else "high" if names & {"high-priority", "high"} else "normal"
