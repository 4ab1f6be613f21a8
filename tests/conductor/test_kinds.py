"""What each kind of effect does, as far as no other test has it."""

from __future__ import annotations

import pytest

from conductor.effects.runner import Effects
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import InvalidInput
from tests.conductor import histories as h
from tests.conductor.effecting import rows, told, work_off
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import NEXT_HEAD


async def test_a_verdict_on_a_head_that_is_gone_is_dropped(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.failing["post_review"] = [InvalidInput("The commit_id is not part of the pull request")]
    await told(store, h.verdict(reviewing))
    github.show(github.pulls[34], head_sha=NEXT_HEAD, checks=[], checks_state="pending")
    await work_off(effects, pool)
    issue = await told(store)
    assert (issue.status, issue.pull_request and issue.pull_request.head) == ("in_review", NEXT_HEAD)
    assert {state for kind, state, *_ in await rows(pool) if kind == "post_review"} == {"done"}


async def test_a_secret_in_the_evidence_is_not_published(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    token = "ghp_" + "x" * 36
    await told(store, c.RecordEffectFailed("merge", f"remote: https://rig:{token}@github.test"))
    await work_off(effects, pool)
    [(_, body)] = github.said
    assert "Evidence" in body
    assert token not in body


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('escalate: ["@ada", "@acme/core", "#ops", "x @ada"]\n', "Asked: @ada, @acme/core, #ops, x @\u200bada."),
        ("stack: python\n", ""),
        ("nonsense: true\n", ""),
    ],
    ids=["named", "nobody", "unreadable"],
)
async def test_whom_the_repository_names_is_asked_where_the_rig_stops(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool, config: str, words: str
) -> None:
    github.config = config
    await told(store, c.RecordEffectFailed("merge", "no"))
    await work_off(effects, pool)
    [(_, body)] = github.said
    assert body.partition("Claude Code, the rig's tool `decide_gate` does both.")[2].strip() == words
