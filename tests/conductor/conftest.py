"""An opened store and issues to work on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from conductor import commands as c
from conductor.events import Priority
from conductor.handler import handle
from conductor.issue import Issue, stream_of
from conductor.snapshot import Check, Snapshot
from conductor.store import Store
from servers.kit.database import Pool
from servers.kit.wake import LocalWake, background

REPOSITORY_ID = 77
REPOSITORY = "acme/tally"
HEAD = "a" * 40
NEXT_HEAD = "b" * 40
_numbers = count(1)


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
    }
    return Snapshot(**seen | changes)


Approve = Callable[..., Awaitable[Issue]]


@pytest.fixture
async def store(pool: Pool) -> AsyncGenerator[Store]:
    """A store whose writer runs."""
    opened = Store(pool, LocalWake())
    async with background(opened.run()):
        yield opened


@pytest.fixture
def approve(store: Store) -> Approve:
    """Makes an issue that waits for somebody to implement it."""

    async def make(priority: Priority = "normal", **changes: Any) -> Issue:
        labels = {"critical": ["critical"], "high": ["high-priority"], "normal": []}[priority]
        number = next(_numbers)
        seen = observed(number, **{"labels": ["agent-ready", *labels]} | changes)
        return (await handle(store, stream_of(REPOSITORY_ID, number), seen, "github")).issue

    return make
