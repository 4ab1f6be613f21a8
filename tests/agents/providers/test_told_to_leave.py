"""An agent whose provider's program hangs is told to leave: what is done is saved, and nothing stays."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.anthropic.script import Play, say
from servers.kit.character import Llm
from tests.agents.providers.test_scenarios import working_below
from tests.agents.stage import BRANCH, Stage
from tests.agents.test_parking import FINISH, WHOLE, write
from tests.fixtures_waiting import Eventually

SECONDS = 20


def half() -> Play:
    (yield say("", write(WHOLE))).only.ok()
    yield say("", FINISH)


@pytest.mark.parametrize("name", ["claude-cli"])
async def test_a_program_that_hangs_keeps_nobody(
    stage: Stage, double: AnthropicDouble, need: Callable[..., str], eventually: Eventually
) -> None:
    stage.script(half)
    await double.fault("slow", skip=1, times=None, seconds=60)
    stage.offer()
    llm = Llm(provider="claude-cli", max_tokens=1000)
    character = stage.character().model_copy(update={"llm": llm})
    programs = {"RIG_CLAUDE_PROGRAM": need("claude"), "NO_PROXY": "127.0.0.1,localhost"}
    async with stage.process(character, **programs) as process:
        await eventually(lambda: any("← Replaced app.py" in str(said) for said in stage.conductor.said("LOG")))
        assert working_below(stage.folder)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            assert await process.wait() == 0
    assert stage.conductor.said("release_assignment")[0]["parked"]
    assert f"{stage.git('show', f'{BRANCH}:app.py')}\n" == WHOLE
    assert working_below(stage.folder) == []
