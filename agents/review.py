"""Reviews a pull request: the model reads and judges, the verdict is bound to the head that was read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.assigned import Run
from agents.assignment import PullRequest
from agents.changes import commentable
from agents.errors import Stuck
from agents.reconcile import reconciled
from agents.results import Comment, ReviewResult
from agents.think import think

REPAIRS = 3


async def review(run: Run) -> None:
    """From a pull request to a verdict."""
    pull = run.assignment.pull_request
    if pull is None:
        raise Stuck("bad_assignment", "There is nothing to review: the assignment names no pull request.")
    run.step("reading the pull request")
    diff, base = await asyncio.gather(diff_of(run, pull.number), _check_out(run, pull))
    result = await think(run, ReviewResult, Placement(diff).judge, _texts(run, diff.text, base))
    run.step("handing in the verdict")
    run.last_words()
    await run.conductor(
        "submit_review",
        head_sha=pull.head_sha,
        verdict=result.verdict,
        summary=result.summary,
        comments=[comment.model_dump() for comment in result.comments],
    )


@dataclass(frozen=True)
class Diff:
    """What the pull request changes, as GitHub shows it."""

    text: str
    truncated: bool


async def diff_of(run: Run, number: int) -> Diff:
    """The diff of a pull request of the run's repository."""
    answer = await run.github("get_diff", number=number)
    return Diff(str(answer["diff"]), bool(answer.get("truncated")))


async def _check_out(run: Run, pull: PullRequest) -> str:
    """Put the files of the head in place; answers the commit whose rules count: the base's, not the author's."""
    copy = run.copy
    await run.remotely(copy.fetch)
    await run.remotely(lambda credential: copy.fetch_commit(pull.head_sha, credential))
    await copy.check_out(pull.head_sha)
    return await copy.remote(run.assignment.base) or pull.head_sha


async def _texts(run: Run, diff: str, base: str) -> dict[str, str]:
    issue = f"{run.assignment.title}\n\n{run.assignment.body}"
    return {"issue": issue, "diff": diff, **await reconciled(run, base)}


class Placement:
    """Takes a verdict whose comments stand on lines that the diff shows; GitHub takes no others."""

    def __init__(self, diff: Diff) -> None:
        # What a cut diff leaves out cannot be told from what is not there.
        self._lines = None if diff.truncated else commentable(diff.text)
        self._failures = 0

    async def judge(self, result: ReviewResult) -> str | None:
        """Which comments are misplaced, for the model to move."""
        misplaced = [f"{one.path}:{one.line}" for one in result.comments if not self._shows(one)]
        if not misplaced:
            return None
        self._failures += 1
        text = f"The diff does not show {', '.join(misplaced)}. Move these remarks to lines that it shows."
        if self._failures > REPAIRS:
            raise Stuck("invalid_result", "The review's comments stand outside the diff.", text)
        return f"invalid_input: {text}"

    def _shows(self, comment: Comment) -> bool:
        return self._lines is None or (comment.path, comment.line) in self._lines
