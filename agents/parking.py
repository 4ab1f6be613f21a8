"""Saves the unfinished work of a run that has to stop, where the next run of the same assignment finds it."""

from __future__ import annotations

from agents import wording
from agents.assigned import Run
from agents.checks import harm
from agents.errors import Stuck
from agents.ground import Ground
from agents.publish import push
from agents.workspace import WorkingCopy


async def park(run: Run, reason: str) -> str | None:
    """Commit and push what there is as work in progress.

    A rework is parked beside its pull request's branch: there it would be tested and reviewed as if it were finished.

    Returns:
        The commit, or None where there is nothing to save.

    Raises:
        Fenced, Superseded: The work is no longer ours.
        Moved, Stuck, RigError: It cannot be saved.
    """
    return await save(run, run.copy, run.ground, reason) if run.ground else None


async def save(run: Run, copy: WorkingCopy, ground: Ground, reason: str) -> str | None:
    """The same with the files of `copy`, which were made from `ground`."""
    assignment = run.assignment
    copy.unlock()  # whatever git was doing for the run ended with it
    tree = await copy.stage()
    if tree == (ground.merge.tree if ground.merge else await copy.tree_of(ground.head)):
        return None
    if complaint := await harm(copy, ground.since, run.settings):
        raise Stuck(complaint.error_class, complaint.text)
    message = wording.parking_message(assignment, reason)
    sha = await copy.commit(tree, ground.parents, message, run.character.git)
    await push(run, sha, assignment.parking_branch, await copy.remote(assignment.parking_branch))
    return sha
