"""A running double with accounts and a repository, held to GitHub's schemas in everything it says."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.published import rest_schemas, webhook_schemas
from tests.doubles.github.support import DEV, REPO, SECRET, SEED, Copy, Receiver, clone, receiving

# The schema is an Enterprise Server's, which has no sub-issues yet.
NEWER = ("/sub_issues", "/sub_issue", "/parent")


async def hold_to_schema(answer: httpx2.Response) -> None:
    """Every JSON answer of the REST API is what GitHub publishes for that operation."""
    path = answer.request.url.raw_path.decode().partition("?")[0]
    published = path.startswith("/api/v3/") and not path.endswith(NEWER)
    if published and "json" in answer.headers.get("content-type", ""):
        await answer.aread()
        method, status = answer.request.method, answer.status_code
        rest_schemas().check_answer(method, path.removeprefix("/api/v3"), status, answer.json())


@pytest.fixture
async def github(tmp_path: Path) -> AsyncGenerator[GitHubDouble]:
    """The double in this process, without CI having run yet."""
    rest_schemas()
    async with GitHubDouble.here(tmp_path / "github", seed=SEED) as double:
        double.http.event_hooks["response"] = [hold_to_schema]
        yield double
        await double.http.aclose()


@pytest.fixture
async def copy(github: GitHubDouble, tmp_path: Path) -> Copy:
    """A clone that pushes as the developer's bot."""
    return await clone(github.clone_url(REPO, DEV), tmp_path / "copy")


@pytest.fixture
async def hooks(github: GitHubDouble) -> AsyncGenerator[Receiver]:
    """A receiver of the repository's webhooks, whose payloads are held to GitHub's schemas."""
    async with receiving() as receiver:
        await github.add_webhook(receiver.url, SECRET, repository=REPO)
        yield receiver
        webhook_schemas().check_payloads([(event, payload) for event, _, payload in receiver.taken])
