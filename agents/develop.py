"""Implements an issue, or reworks its pull request: the steps around the model, which alone touch git and GitHub."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agents import wording
from agents.acceptance import Acceptance
from agents.assigned import Run
from agents.checks import CommandReport
from agents.errors import Stuck
from agents.ground import Ground
from agents.prepare import begin, ground_of, is_done, is_ours, lay_out
from agents.publish import publish
from agents.reconcile import reconciled
from agents.results import DevResult
from agents.think import think


@dataclass(frozen=True)
class Delivery:
    """A pushed commit and what there is to say about it."""

    sha: str
    title: str
    summary: str
    reports: Sequence[CommandReport] = ()


async def implement(run: Run) -> None:
    """From an issue to an open pull request."""
    base, tip = await begin(run)
    assignment = run.assignment
    await run.report("BRANCH_CREATED", branch=assignment.branch)
    if tip and await is_ours(run, tip):
        delivery = await _delivered(run, tip)
    else:
        delivery = await _deliver(run, await ground_of(run, base, tip))
    run.step("opening the pull request")
    pull = await run.github(
        "open_pull_request",
        head=assignment.branch,
        base=assignment.base,
        title=delivery.title,
        body=wording.pull_request_body(assignment, delivery.summary, delivery.reports),
    )
    await run.report("PR_CREATED", number=pull["number"], url=pull["url"], head_sha=delivery.sha)
    await run.hand_in("complete_assignment", summary=delivery.title)


async def rework(run: Run) -> None:
    """From feedback to a new head of the pull request."""
    pull = run.assignment.pull_request
    if pull is None:
        raise Stuck("bad_assignment", "There is nothing to rework: the assignment names no pull request.")
    base, tip = await begin(run)
    if tip is None:
        raise Stuck("git_error", f"The branch {run.assignment.branch} of #{pull.number} is gone.")
    if await is_done(run, tip, base, pull.head_sha):
        delivery = await _delivered(run, tip)
    else:
        delivery = await _deliver(run, await ground_of(run, base, tip))
    await run.report("PR_UPDATED", number=pull.number, head_sha=delivery.sha)
    await run.hand_in("complete_assignment", summary=delivery.title)


async def _delivered(run: Run, commit: str) -> Delivery:
    title, summary = wording.parts_of(await run.copy.message(commit))
    return Delivery(commit, title, summary or title)


async def _texts(run: Run, ground: Ground) -> dict[str, str]:
    known, files = await asyncio.gather(reconciled(run, ground.base), lay_out(run, ground))
    return {**known, **files}


async def _deliver(run: Run, ground: Ground) -> Delivery:
    """Let the model work, hold its result against the checks, commit and push it."""
    run.step("preparing the workspace")
    acceptance = Acceptance(run, ground)
    result = await think(run, DevResult, acceptance.judge, _texts(run, ground))
    run.step("committing and pushing")
    message = wording.commit_message(run.assignment, result.title, result.summary)
    sha = await publish(run, acceptance, message)
    title, summary = wording.parts_of(message)
    return Delivery(sha, title, summary, acceptance.reports)
