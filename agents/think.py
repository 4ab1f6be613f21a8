"""Lets the model work on a run, within the run's time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

from agents import prompt
from agents.assigned import Run
from agents.conversation import Accept, Brief, Conversation
from agents.errors import BudgetExceeded, Stuck
from agents.fences import Fence
from agents.memories import mark_uses
from agents.results import Result
from agents.toolbelt import Toolbelt
from agents.transcripts import AtConductor


async def think(
    run: Run, result: type[Result], accept: Accept[Result], texts: Awaitable[Mapping[str, str]]
) -> Result:
    """The result that `accept` takes.

    Args:
        texts: Other people's words for the opening, by source.

    Raises:
        Stuck: There is none within the budget.
    """
    fence = Fence()
    toolbelt, provider, said = await asyncio.gather(
        Toolbelt.of(run.character, run.mesh, run.report, fence), run.provider(), texts
    )
    run.step("working")
    earlier = run.ground is not None and run.ground.earlier
    opening = prompt.opening(run.assignment, said, earlier, fence, run.inbox.introduction)
    brief = Brief(prompt.system(run.character), opening, run.copy.tree.parent)
    transcripts = AtConductor(run.conductor, run.assignment.attempt)
    conversation = Conversation(
        *(brief, toolbelt, run.meter, result, accept, transcripts, run.inbox, run.live.say), limited=run.limited
    )
    minutes = run.character.budget.minutes
    limit = asyncio.timeout(minutes * 60)
    try:
        async with limit:
            await provider.work(conversation)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Stuck("budget", f"The run reached its limit of {minutes:g} minutes.", conversation.trace) from error
    except (Stuck, BudgetExceeded) as ended:
        ended.evidence = ended.evidence or conversation.trace
        raise
    assert conversation.result is not None  # noqa: S101 - a provider ends with a result or an error
    await mark_uses(run, conversation.result)
    return conversation.result
