"""A change that only a person lets through, from the reviewer's verdict to the merge."""

from __future__ import annotations

import pytest

from conductor.effects.runner import Effects
from conductor.github import BaseFile, SeenChanges
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.issues.words import waits_for
from conductor.merge.snapshot import Change, Review
from conductor.store.writer import Store
from servers.kit.database import Pool
from tests.conductor import histories as h
from tests.conductor.effecting import told, work_off
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD

LOGIN = Change(path="auth/login.py", patch="@@\n+x = 1", additions=1, blob="b1")
SAYS = "A person has to approve: `auth/login.py` changes authentication or sessions (path `**/auth/`)."


@pytest.fixture
async def asked(effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool) -> Issue:
    """The reviewer approved, and the rig looked at what changes."""
    github.changed[34] = SeenChanges(files=[LOGIN])
    await told(store, h.verdict(reviewing))
    await work_off(effects, pool)
    return await told(store)


async def test_the_pull_request_says_what_a_person_has_to_decide(asked: Issue, github: MemoryGitHub) -> None:
    assert asked.status == "awaiting_human"
    assert waits_for(asked) == [SAYS]
    assert github.done.count(("set_status", ("pending", SAYS))) == 1
    assert github.done.count(("comment", 34)) == 1
    assert "merge" not in dict(github.done)


async def test_the_tool_lets_it_through(
    asked: Issue, effects: Effects, store: Store, pool: Pool, github: MemoryGitHub
) -> None:
    await told(store, c.DecideGate(True, "", "ada"))
    await work_off(effects, pool)
    assert (await told(store)).status == "done"
    assert github.done.count(("comment", 34)) == 1


async def test_a_review_on_github_lets_it_through_once_somebody_looks(
    asked: Issue, effects: Effects, store: Store, pool: Pool, github: MemoryGitHub
) -> None:
    github.show(github.pulls[34], reviews=[Review(author="ada", state="approved", head_sha=HEAD)])
    await effects.look_now(asked.stream)
    await work_off(effects, pool)
    assert (await told(store)).status == "done"


async def test_the_base_decides_what_is_asked_and_not_the_pull_request(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    off = "policy: {humanGates: {paths: {authentication session: ['off']}}}\n"
    head = Change(path=".rig-agent.yaml", patch=f"@@\n+{off}", additions=1)
    github.changed[34] = SeenChanges(files=[LOGIN, head])
    await told(store, h.verdict(reviewing))
    await work_off(effects, pool)
    asked = (await told(store)).human_gate
    assert [line.partition(" ")[0] for line in asked] == ["`auth/login.py`", "`.rig-agent.yaml`"]


async def test_a_repository_may_switch_a_topic_off_at_its_base(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    off = "policy: {humanGates: {paths: {authentication session: ['off']}}}\n"
    github.changed[34] = SeenChanges(files=[LOGIN], base=[BaseFile(path=".rig-agent.yaml", text=off)])
    await told(store, h.verdict(reviewing))
    await work_off(effects, pool)
    assert (await told(store)).status == "done"
