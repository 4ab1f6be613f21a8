"""An issue and a pull request as GitHub shows them."""

from __future__ import annotations

from typing import Any

from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.snapshot import Changes, Check, Snapshot

REPOSITORY_ID = 77
REPOSITORY = "acme/tally"
HEAD = "a" * 40
NEXT_HEAD = "b" * 40


def observed(number: int = 1, **changes: Any) -> c.ObserveIssue:
    """An issue that GitHub shows as ready, labelled by somebody who may write."""
    seen: dict[str, Any] = {
        "repository_id": REPOSITORY_ID,
        "repository": REPOSITORY,
        "number": number,
        "title": f"Add feature {number}",
        "body": "Do it.",
        "url": f"http://github.test/{REPOSITORY}/issues/{number}",
        "author": "ada",
        "labels": ["agent-ready"],
        "open": True,
        "stack": "python",
        "base": "main",
        "approver": "ada",
        "ready": True,
    }
    return c.ObserveIssue(**seen | changes)


def pull_request(issue: Issue, **changes: Any) -> Snapshot:
    """A pull request for `issue` that could be merged as far as GitHub is concerned."""
    seen: dict[str, Any] = {
        "repository_id": issue.repository_id,
        "repository": issue.repository,
        "number": 34,
        "url": "http://github.test/acme/tally/pull/34",
        "title": issue.title,
        "author": "rig-dev[bot]",
        "state": "open",
        "head_sha": HEAD,
        "head_ref": issue.branch,
        "base_ref": issue.base,
        "mergeable": "mergeable",
        "closes": [issue.key],
        "checks": [Check(name="test", state="success")],
        "checks_state": "success",
        "changes": Changes(),
    }
    return Snapshot(**seen | changes)
