"""Judges whether an issue is clear enough to be implemented: the model reads and asks, the conductor decides."""

from __future__ import annotations

from agents.assigned import Run
from agents.errors import Stuck
from agents.reconcile import reconciled
from agents.results import ReadinessResult
from agents.think import think


async def judge(run: Run) -> None:
    """From an issue to a verdict on it; nothing is written but that."""
    run.step("reading the issue and the repository")
    result = await think(run, ReadinessResult, _take, _texts(run))
    run.step("handing in the verdict")
    run.last_words()
    await run.conductor("submit_readiness", ready=result.ready, questions=result.questions)


async def _take(_: ReadinessResult) -> None:
    """Whatever has the right form is an answer."""


async def _texts(run: Run) -> dict[str, str]:
    """Put the base's files in place; answers what others have to say."""
    assignment, copy = run.assignment, run.copy
    await run.remotely(copy.fetch)
    base = await copy.remote(assignment.base)
    if base is None:
        raise Stuck("git_error", f"{assignment.repository} has no branch {assignment.base}.")
    await copy.check_out(base)
    return {"issue": f"{assignment.title}\n\n{assignment.body}", **await reconciled(run, base)}
