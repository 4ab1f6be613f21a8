"""Issues at every point of their life, each reached by the commands that lead there."""

from __future__ import annotations

from typing import Any

import msgspec

from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.merge.snapshot import Check
from tests.conductor.samples import HEAD, NEXT_HEAD, observed, pull_request

DEV, REVIEWER = "dev-e", "review-e"
KINDS = ("implement", "review", "rework")


def do(issue: Issue, *commands: c.Command) -> Issue:
    """The issue after the commands."""
    for command in commands:
        issue = fold(decide(issue, command), issue)
    return issue


def types(issue: Issue, command: c.Command) -> list[str]:
    """The types of the events that answer the command."""
    return [event.type for event in decide(issue, command)]


def assign(agent: str = DEV, role: str = "dev", boot: str = "1", **changes: Any) -> c.Assign:
    fields: dict[str, Any] = {"instance": agent, "run": f"run-{boot}", "kinds": KINDS}
    return c.Assign(agent=agent, role=role, boot=boot, **fields | changes)


def held(issue: Issue) -> dict[str, Any]:
    """What the holder says about itself in every command."""
    assert issue.holder
    return {name: getattr(issue.holder, name) for name in ("agent", "instance", "boot", "fence")}


def look(issue: Issue, **changes: Any) -> c.ObservePullRequest:
    """A look at the issue's pull request, which is as it should be but for `changes`."""
    head = issue.pull_request.head if issue.pull_request else HEAD
    number = issue.pull_request.number if issue.pull_request else 34
    return c.ObservePullRequest(pull_request(issue, **{"head_sha": head, "number": number} | changes))


def running(issue: Issue, **changes: Any) -> c.ObservePullRequest:
    return look(issue, **{"checks": [Check(name="test", state="pending")], "checks_state": "pending"} | changes)


def red(issue: Issue, **changes: Any) -> c.ObservePullRequest:
    failure = {"checks": [Check(name="test", state="failure")], "checks_state": "failure", "log_tail": "1 failed"}
    return look(issue, **failure | changes)


def queued(**changes: Any) -> Issue:
    return do(Issue(), observed(**changes))


def assigned(agent: str = DEV) -> Issue:
    return do(queued(), assign(agent))


def working() -> Issue:
    issue = assigned()
    return do(issue, c.StartWork(**held(issue)))


def pushed() -> Issue:
    """The pull request is open and its author still holds the issue."""
    issue = working()
    return do(issue, c.ReportPullRequest(**held(issue), number=34, head=HEAD, url="http://github.test/34"))


def in_review() -> Issue:
    issue = pushed()
    return do(issue, c.Complete(**held(issue)))


def green() -> Issue:
    issue = in_review()
    return do(issue, look(issue))


def under_review() -> Issue:
    return do(green(), assign(REVIEWER, "review"))


def verdict(issue: Issue, said: str = "approve", head: str = HEAD) -> c.SubmitReview:
    return c.SubmitReview(**held(issue), head=head, verdict=msgspec.convert(said, Any), summary="As I see it.")


def disputed() -> Issue:
    issue = under_review()
    return do(issue, verdict(issue, "request_changes"))


def reworking() -> Issue:
    issue = do(disputed(), assign())
    return do(issue, c.StartWork(**held(issue)))


def reworked() -> Issue:
    issue = reworking()
    issue = do(issue, c.ReportPullRequest(**held(issue), number=34, head=NEXT_HEAD))
    return do(issue, c.Complete(**held(issue)))


def ready() -> Issue:
    """Approved by the reviewer, not looked at since."""
    issue = under_review()
    return do(issue, verdict(issue))


def merging() -> Issue:
    issue = ready()
    return do(issue, look(issue))


def done() -> Issue:
    return do(merging(), c.RecordMerged(HEAD, "c" * 40, "rig"))


def cancelled() -> Issue:
    return do(working(), c.Cancel("No need.", "ada"))


def escalated() -> Issue:
    return do(in_review(), c.RecordEffectFailed("post_review", "no"))


EVERY = {
    "new": Issue(),
    "queued": queued(),
    "assigned": assigned(),
    "in_progress": working(),
    "pushed": pushed(),
    "in_review": in_review(),
    "green": green(),
    "under_review": under_review(),
    "disputed": disputed(),
    "reworking": reworking(),
    "ready": ready(),
    "merging": merging(),
    "done": done(),
    "cancelled": cancelled(),
    "escalated": escalated(),
}
