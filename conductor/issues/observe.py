"""What a fresh look at a pull request tells that the rig does not know yet."""

from __future__ import annotations

from conductor import events as e
from conductor.issues.by_person import try_again
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue, Status, opinion
from conductor.issues.lifecycle import CARRYING, TERMINAL
from conductor.merge.snapshot import Snapshot

# Where a person's objection is rework; who is at work already hears of it when the work is handed in.
_HEARING: tuple[Status, ...] = ("in_review", "ready_to_merge", "merging", "changes_requested", "queued")


def observe_pull_request(issue: Issue, pull: Snapshot, carried: bool = False) -> list[e.Event]:
    """The events that bring `issue` up to date with `pull`, in their natural order; none if nothing is new.

    Args:
        carried: The new head is the judged one with the base merged in, and nothing else.
    """
    if issue.status in TERMINAL or issue.status == "new":
        return []
    if issue.status == "blocked" and pull.state != "merged":
        return []
    if not _followed(issue, pull):
        return []
    if (known := issue.pull_request) and (pull.head_ref != known.branch or pull.fork):
        cause = f"Pull request #{pull.number} does not come from the branch {known.branch} of {issue.repository}."
        return [] if issue.status == "escalated" else [e.Escalated(cause=cause, brake="foreign_pull_request")]
    events = _head(issue, pull, carried)
    for step in (_end, _checks, _conflict, _objections):
        events += step(fold(events, issue), pull)
    return events


def _followed(issue: Issue, pull: Snapshot) -> bool:
    """Whether it is the issue's own: of one issue the rig follows one pull request, the first on its branch."""
    if known := issue.pull_request:
        return known.number == pull.number
    # Anybody may give a fork's branch the name of ours.
    return pull.state != "closed" and pull.head_ref == issue.branch and not pull.fork


def _head(issue: Issue, pull: Snapshot, carried: bool) -> list[e.Event]:
    known, fence = issue.pull_request, issue.holder.fence if issue.holder else None
    if known is None:
        created = e.PrCreated(
            number=pull.number,
            url=pull.url,
            head=pull.head_sha,
            branch=pull.head_ref,
            author=pull.author,
            fence=fence,
        )
        return [created]
    if pull.state != "open" or not (known.closed or known.head != pull.head_sha):
        return []
    kept = carried and not known.closed and issue.status in CARRYING
    updated = e.PrUpdated(number=pull.number, head=pull.head_sha, fence=fence, carried=kept)
    return [updated, *_reopened(fold([updated], issue))] if known.closed else [updated]


def _reopened(issue: Issue) -> list[e.Event]:
    """Whoever reopens a pull request that they had closed has decided what the rig asked then."""
    if issue.brake != "pull_request_closed":
        return []
    return try_again(issue, e.EscalationDecided(by="github", decision="retry", note="It was reopened."))


def _end(issue: Issue, pull: Snapshot) -> list[e.Event]:
    known = issue.pull_request
    match pull.state:
        case "merged" if issue.merged is None:
            return [e.Merged(head=pull.head_sha, sha=pull.merged_sha or "", by=pull.merged_by or ""), e.IssueDone()]
        case "closed" if known is not None and not known.closed:
            return [e.PrClosed(number=pull.number)]
        case _:
            return []


def _checks(issue: Issue, pull: Snapshot) -> list[e.Event]:
    known = issue.pull_request
    if known is None or pull.state != "open" or issue.status in TERMINAL:
        return []
    match pull.checks_state:
        case "success" if known.checks != "passed":
            names = [check.name for check in pull.checks if check.state == "success"]
            return [e.CiPassed(head=pull.head_sha, checks=names)]
        case "failure" if known.checks != "failed":
            names = [check.name for check in pull.checks if check.state == "failure"]
            return [e.CiFailed(head=pull.head_sha, checks=names, log=pull.log_tail or "")]
        case _:
            return []


def _conflict(issue: Issue, pull: Snapshot) -> list[e.Event]:
    known = issue.pull_request
    new = known is not None and not known.conflicting and pull.state == "open" and pull.mergeable == "conflicting"
    return [e.MergeConflict(head=pull.head_sha, base=pull.base_ref)] if new else []


def _objections(issue: Issue, pull: Snapshot) -> list[e.Event]:
    """A person asks for changes in a review on GitHub: their words and remarks, each review once."""
    if issue.status not in _HEARING or issue.pull_request is None or pull.state != "open":
        return []
    return [
        e.ReviewDisputed(agent=r.author, head=r.head_sha, summary=r.body, comments=_remarks(pull, r.author))
        for r in pull.reviews
        if r.state == "changes_requested" and not r.ours and not r.bot and r.author != pull.author
        if opinion(r.author, r.head_sha, r.body) not in issue.heard
    ]


def _remarks(pull: Snapshot, author: str) -> list[e.Comment]:
    return [
        e.Comment(path=thread.path, line=thread.line or 1, body=thread.body)
        for thread in pull.threads
        if thread.author == author and not thread.ours and not thread.resolved
    ]
