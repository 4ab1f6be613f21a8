"""Lets the model work on a run, within the run's time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

from agents import prompt
from agents.assigned import Run
from agents.errors import Stuck
from agents.loop import Accept, Loop
from agents.results import Result
from agents.toolbelt import Toolbelt


async def think(
    run: Run, result: type[Result], accept: Accept[Result], texts: Awaitable[Mapping[str, str]]
) -> Result:
    """The result that `accept` takes.

    Args:
        texts: Other people's words for the opening, by source.

    Raises:
        Stuck: There is none within the budget.
    """
    toolbelt, provider, fenced = await asyncio.gather(Toolbelt.of(run.character, run.mesh), run.provider(), texts)
    run.step("working")
    loop = Loop(toolbelt, run.meter, result, accept)
    minutes = run.character.budget.minutes
    limit = asyncio.timeout(minutes * 60)
    try:
        async with limit:
            return await loop.run(provider, prompt.system(run.character), _opening(run, fenced))
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Stuck("budget", f"The run reached its limit of {minutes:g} minutes.", loop.trace) from error


def _opening(run: Run, texts: Mapping[str, str]) -> str:
    return prompt.opening(run.assignment, texts, earlier=run.ground is not None and run.ground.earlier)
