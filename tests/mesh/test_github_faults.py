"""Whatever GitHub does to the rig's requests and webhooks, the issue ends merged, once."""

from __future__ import annotations

import pytest

from tests.mesh.watching import Watch, merged_once, watched

pytestmark = pytest.mark.timeout(300)
PUSH = ("POST", "*/git-receive-pack")
PULL_REQUEST = ("POST", "*/repos/*/pulls")
REVIEW = ("POST", "*/pulls/*/reviews")
STATUS = ("POST", "*/statuses/*")
MERGE = ("PUT", "*/pulls/*/merge")
LOST = [
    *((kind, write) for kind in ("after", "cut_after") for write in (PUSH, REVIEW, STATUS)),
    ("after", PULL_REQUEST),
    ("cut_after", MERGE),
]
REFUSED = [
    ("status", 503, PUSH),
    ("cut", 0, PULL_REQUEST),
    ("rate_limit", 403, REVIEW),
    ("secondary_limit", 429, STATUS),
    ("status", 500, MERGE),
]


async def left(watch: Watch) -> list[str]:
    """The faults that were ordered and met nobody."""
    return [f"{one['kind']} {one['method']} {one['path']}" for one in await watch.faults() if not one["hits"]]


async def test_writes_whose_answer_is_lost_happen_once() -> None:
    async with watched() as watch:
        for kind, (method, path) in LOST:
            await watch.stage.github.fault(kind, path, method=method, status=502)
        await watch.stage.file_issue(0)
        await merged_once(watch)
        assert await left(watch) == []
        assert not {"ESCALATED", "AGENT_STUCK"} & set(watch.kinds())


async def test_failures_limits_and_slowness_are_waited_out() -> None:
    async with watched() as watch:
        github = watch.stage.github
        for kind, status, (method, path) in REFUSED:
            await github.fault(kind, path, method=method, status=status, seconds=1)
        await github.fault("slow", "*/graphql", skip=2, seconds=3)
        await github.fault("status", "*/graphql", skip=1, count=4, status=502)
        await github.fault("cut", "*/repos/*", method="GET", count=3, skip=2)
        await github.fault("rate_limit", "*/repos/*", method="GET", skip=12, status=429, seconds=2)
        await github.fault("status", "*/git-upload-pack", status=500)
        await watch.stage.file_issue(0)
        await merged_once(watch)
        assert await left(watch) == []
        assert not {"ESCALATED", "AGENT_STUCK"} & set(watch.kinds())
