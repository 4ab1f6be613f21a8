"""An opened store and issues to work on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from conductor.events import Priority
from conductor.handler import handle
from conductor.issues.issue import Issue, stream_of
from conductor.issues.limits import Limits
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.wake import LocalWake, background
from tests.conductor.effecting import effects as effects
from tests.conductor.effecting import github as github
from tests.conductor.effecting import reviewing as reviewing
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY_ID, observed
from tests.conductor.serving import Rig, serving
from tests.conductor.yard import yard as yard

ROOMY = Limits(open_issues=1000)  # how many issues of a repository may be in work has tests of its own
_numbers = count(1)


Approve = Callable[..., Awaitable[Issue]]
Claimable = Callable[[], Awaitable[str]]


@pytest.fixture
async def store(pool: Pool) -> AsyncGenerator[Store]:
    """A store whose writer runs."""
    opened = Store(pool, LocalWake(), limits=ROOMY)
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


@pytest.fixture
async def rig(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig]:
    """The conductor over HTTP, with GitHub in memory."""
    async with serving(database_url, tmp_path, MemoryGitHub()) as opened:
        yield opened


@pytest.fixture
def claimable(rig: Rig) -> Claimable:
    """Makes an issue that waits for somebody to implement it, as owner/repo#1."""
    numbers = count(1)

    async def make() -> str:
        return await rig.labelled(next(numbers))

    return make
