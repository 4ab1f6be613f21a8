"""What a fresh look at a pull request tells that the rig does not know yet."""

from __future__ import annotations

from conductor import events as e
from conductor.evolve import fold
from conductor.issue import Issue
from conductor.lifecycle import TERMINAL
from conductor.snapshot import Snapshot


def observe_pull_request(issue: Issue, pull: Snapshot) -> list[e.Event]:
    """The events that bring `issue` up to date with `pull`, in their natural order; none if nothing is new."""
    if issue.status in TERMINAL or issue.status == "new":
        return []
    known = issue.pull_request
    if known is not None and known.number != pull.number:
        return []  # somebody else's second pull request; the rig follows its own
    if known is None and (pull.state != "open" or pull.head_ref != issue.branch or pull.fork):
        return []  # anybody may give a fork's branch the name of ours
    if known is not None and (pull.head_ref != known.branch or pull.fork):
        cause = f"Pull request #{pull.number} does not come from the branch {known.branch} of {issue.repository}."
        return [] if issue.status == "escalated" else [e.Escalated(cause=cause)]
    steps = (_head, _end, _checks, _conflict)
    events: list[e.Event] = []
    for step in steps:
        events += step(fold(events, issue), pull)
    return events


def _head(issue: Issue, pull: Snapshot) -> list[e.Event]:
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
    moved = (known.closed or known.head != pull.head_sha) and pull.state == "open"
    return [e.PrUpdated(number=pull.number, head=pull.head_sha, fence=fence)] if moved else []


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
