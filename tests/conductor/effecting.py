"""Effects on a GitHub in memory, for the tests of what they do."""

from __future__ import annotations

from typing import Any

import pytest

from conductor.effects.runner import Effects
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.store.writer import Store
from servers.kit.database import Pool
from tests.conductor import histories as h
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD, REPOSITORY_ID, observed, pull_request

STREAM = f"issue-{REPOSITORY_ID}-1"


@pytest.fixture
def github() -> MemoryGitHub:
    return MemoryGitHub()


@pytest.fixture
def effects(store: Store, github: MemoryGitHub) -> Effects:
    return Effects(store, github, Policy())


async def told(store: Store, *commands: c.Command) -> Issue:
    for command in commands:
        await handle(store, STREAM, command, "test")
    return (await store.load(STREAM))[1]


@pytest.fixture
async def reviewing(store: Store, github: MemoryGitHub, pool: Pool) -> Issue:
    """The reviewer has the pull request, which GitHub shows with every gate open."""
    issue = await told(store, observed(), h.assign())
    issue = await told(store, c.StartWork(**h.held(issue)))
    issue = await told(store, c.ReportPullRequest(**h.held(issue), number=34, head=HEAD))
    issue = await told(store, c.Complete(**h.held(issue)))
    github.show(pull_request(issue))
    issue = await told(store, h.look(issue), h.assign(h.REVIEWER, "review"))
    await pool.execute("DELETE FROM effects")  # the look at the new pull request, which is done here
    return issue


async def rows(pool: Pool) -> list[tuple[Any, ...]]:
    found = await pool.fetch("SELECT kind, state, attempts, error FROM effects ORDER BY id")
    return [tuple(row) for row in found]


async def soon(pool: Pool) -> None:
    """Let the time pass that effects wait for."""
    await pool.execute("UPDATE lanes SET due_at = now()")


async def work_off(effects: Effects, pool: Pool) -> None:
    await soon(pool)
    while await effects.work():
        await soon(pool)
