"""What becomes of a run where a provider's limit or a budget ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rig.doubles.anthropic.script import Play, say, use
from tests.agents.stage import BRANCH, Stage, repair

LATER: dict[str, Any] = {"usd": 0, "calls": 0, "exceeded": None}  # others' calls may take the rest
ONE: dict[str, Any] = {"usd": 1, "calls": 1, "exceeded": None}
SPENT = {
    "usd": 0,
    "calls": 0,
    "exceeded": "issue",
    "reason": "The issue is too dear.",
    "spent_usd": 1,
    "limit_usd": 1,
}


def begin() -> Play:
    """Writes a file, and then goes on for ever."""
    yield say("I begin.", use("mcp__workspace__write_file", path="notes.txt", content="half of it\n"))
    while True:
        yield say("I go on.", use("mcp__workspace__list_files"))


def saved(stage: Stage) -> str:
    """What stands on the pushed branch."""
    return stage.git("show", f"{BRANCH}:notes.txt")


def ended_quietly(stage: Stage) -> None:
    """No strike, and no pull request of half the work."""
    assert not {"report_stuck", "complete_assignment", "PR_CREATED"} & set(stage.conductor.names)


async def test_a_usage_limit_gives_the_work_back_saved_and_tells_when_it_ends(stage: Stage) -> None:
    stage.script(begin)
    stage.offer()
    await stage.model_fault("usage_limit", skip=1, times=None, retry_after=7200)
    assert await stage.run() == 0
    ended_quietly(stage)
    [limit] = stage.conductor.said("USAGE_LIMITED")
    assert limit["provider"] == "anthropic"
    assert limit["reason"]
    left = datetime.fromisoformat(limit["until"]) - datetime.now(UTC)
    assert timedelta(minutes=100) < left <= timedelta(minutes=121)
    [given] = stage.conductor.said("release_assignment")
    assert given["parked"] is False  # whoever has another provider may go on
    assert stage.conductor.facts()[-2:] == ["USAGE_LIMITED", "release_assignment"]
    assert saved(stage) == "half of it"
    assert len(stage.requests) == 1  # the second call was refused, and there was no third


async def test_a_limit_that_a_fallback_bridges_is_told_though_the_work_goes_on(stage: Stage) -> None:
    stage.script(repair)
    stage.offer()
    await stage.model_fault("usage_limit", retry_after=7200)
    character = stage.character()
    character = character.model_copy(update={"fallback_providers": [character.llm]})
    assert await stage.run(character) == 0
    assert [limit["provider"] for limit in stage.conductor.said("USAGE_LIMITED")] == ["anthropic"]
    assert "complete_assignment" in stage.conductor.names


async def test_where_every_provider_is_at_its_limit_each_is_told_before_the_work_is_given_back(stage: Stage) -> None:
    stage.script(begin)
    stage.offer()
    await stage.model_fault("usage_limit", times=2, retry_after=7200)
    character = stage.character()
    character = character.model_copy(update={"fallback_providers": [character.llm]})
    assert await stage.run(character) == 0
    assert stage.conductor.facts()[-3:] == ["USAGE_LIMITED", "USAGE_LIMITED", "release_assignment"]
    ended_quietly(stage)


async def test_a_run_whose_next_call_could_cost_too_much_stops_before_it_with_its_work_saved(stage: Stage) -> None:
    stage.script(begin)
    stage.offer()
    character = stage.character(usd=0.27)
    assert await stage.run(character) == 0
    ended_quietly(stage)
    [over] = stage.conductor.said("BUDGET_EXCEEDED")
    spent = sum(said["usd"] for said in stage.conductor.said("TOKEN_USAGE"))
    assert (over["scope"], over["limit_usd"]) == ("run", 0.27)
    assert over["usd"] == pytest.approx(spent)
    assert 0 < spent <= 0.27
    assert "its next model call can cost $" in over["reason"]
    assert "mcp__workspace__list_files" in over["evidence"]
    assert saved(stage) == "half of it"
    assert "release_assignment" not in stage.conductor.names  # a person decides what becomes of it


async def test_the_conductors_word_on_a_shared_budget_stops_a_run_in_the_same_way(stage: Stage) -> None:
    stage.script(begin)
    stage.offer()
    stage.conductor.rooms += [LATER, ONE, SPENT]
    assert await stage.run() == 0
    ended_quietly(stage)
    [over] = stage.conductor.said("BUDGET_EXCEEDED")
    assert (over["scope"], over["reason"], over["usd"]) == ("issue", "The issue is too dear.", 1)
    assert len(stage.conductor.said("reserve_budget")) == 3
    assert saved(stage) == "half of it"
    assert len(stage.requests) == 1
