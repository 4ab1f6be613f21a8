"""A judge over HTTP: it alone gets an issue first, and its answer decides who gets it next."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from servers.kit.errors import Forbidden, InvalidInput
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.serving import Agent, Rig, serving

CHARACTERS = Path(__file__).parents[2] / "characters"


@pytest.fixture
async def judged(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig]:
    """A conductor whose issues are judged first."""
    shutil.copytree(CHARACTERS, tmp_path / "characters")
    async with serving(database_url, tmp_path, MemoryGitHub(), readiness_judge="judge-e") as rig:
        yield rig


async def agents(rig: Rig) -> tuple[Agent, Agent, Agent]:
    return await rig.caller("review", "judge-e"), await rig.caller("review"), await rig.caller("dev", "dev-e-python")


async def test_an_issue_is_judged_once_and_then_implemented(judged: Rig) -> None:
    judge, reviewer, dev = await agents(judged)
    key = await judged.labelled()
    assert await reviewer.claim() is None
    assert await dev.claim() is None
    work = await judge.claim()
    assert (work["kind"], work["claim"]["issue"], work["pull_request"]) == ("verify", key, None)
    with pytest.raises(InvalidInput):
        await judge.call("submit_readiness", claim=work["claim"], ready=False, questions=[])
    said = await judge.call("submit_readiness", claim=work["claim"], ready=True)
    assert said["state"] == "queued"
    assert await judge.claim() is None
    assert (await dev.claim())["kind"] == "implement"


async def test_questions_of_the_judge_hold_the_issue_and_are_put_to_the_author(judged: Rig) -> None:
    judge, _, dev = await agents(judged)
    key = await judged.labelled()
    work = await judge.claim()
    said = await judge.call("submit_readiness", claim=work["claim"], ready=False, questions=["Which\0 one?"])
    assert said["state"] == "blocked"
    assert await dev.claim() is None
    explained = await dev.call("explain_issue", issue=key)
    assert explained["waits_for"] == ["judge-e asked its author: Which? one?"]


async def test_only_reviewers_judge(judged: Rig) -> None:
    judge, _, dev = await agents(judged)
    await judged.labelled()
    work = await judge.claim()
    with pytest.raises(Forbidden):
        await dev.call("submit_readiness", claim=work["claim"], ready=True)
