"""Brings the files of a killed process into the run that takes its claim over, or says why they are thrown away."""

from __future__ import annotations

from agents.assigned import Run
from agents.errors import Moved, Stuck
from agents.parking import save
from agents.prepare import ground_of, is_ours
from agents.run_folder import Unfinished
from agents.workspace import WorkingCopy
from servers.kit.errors import Fenced, RigError, Superseded
from servers.kit.logs import get

log = get(__name__)
KILLED = "its process was killed"


async def salvage(run: Run, work: Unfinished, files: WorkingCopy) -> str | None:
    """Push what the killed process had as work in progress, from which the run then goes on.

    Args:
        work: What that process noted.
        files: Its working copy, of the same clone.

    Returns:
        Why its files are thrown away instead, or None.

    Raises:
        Fenced, Superseded: The work is no longer ours either.
    """
    assignment = run.assignment
    if (work.issue, work.kind, work.branch) != (assignment.issue, assignment.kind, assignment.branch):
        return f"they were made to {work.kind} {work.issue}, which somebody else goes on with or nobody"
    run.step("saving what a killed process left")
    try:
        return await _saved(run, work, files)
    except (Fenced, Superseded):
        raise
    except (Moved, Stuck, RigError) as error:
        return str(error)


async def _saved(run: Run, work: Unfinished, files: WorkingCopy) -> str | None:
    await run.remotely(run.copy.fetch)
    base, tip = await run.copy.remote(run.assignment.base), await run.copy.remote(run.assignment.branch)
    if base is None:
        return f"there is no branch {run.assignment.base} any more"
    if tip and tip != work.head and await is_ours(run, tip):
        return "the killed process had pushed all of it"
    ground = await ground_of(run, base, tip)
    if (ground.head, ground.base if ground.merge else None) != (work.head, work.merged):
        now = f"it is at {ground.head[:10]}, they are from {work.head[:10]}"
        return f"{run.assignment.branch} went on meanwhile: {now}"
    head = await save(run, files, ground, KILLED)
    log.info("what a killed process left is saved", issue=run.assignment.issue, head=head)
    return None if head else "nothing was changed in them"
