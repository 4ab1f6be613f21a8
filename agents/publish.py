"""Puts an accepted change on the remote branch: under its fence, over a head that was seen, never over another."""

from __future__ import annotations

from dataclasses import replace

from agents import wording
from agents.acceptance import Acceptance
from agents.assigned import Run
from agents.errors import Moved, Stuck
from agents.ground import Ground
from servers.kit.errors import RigError
from servers.kit.logs import get

log = get(__name__)
ROUNDS = 3


async def publish(run: Run, acceptance: Acceptance, message: str) -> str:
    """Commit and push what was accepted, on top of whatever came to the branch meanwhile; answers the commit.

    Raises:
        Fenced, Superseded: The work is no longer ours.
        Stuck: It does not fit together with what came, or what came does not end.
    """
    copy, ground = run.copy, acceptance.ground
    sha = await copy.commit(acceptance.tree, ground.parents, message, run.character.git)
    for _ in range(ROUNDS):
        try:
            await push(run, sha, run.assignment.branch, ground.seen)
        except Moved:
            tip = await _moved_to(run)
        else:
            run.ground = None
            await _forget_parked(run)
            return sha
        if await _is_late(run, tip, ground):
            ground = replace(ground, seen=tip)
            continue
        sha = await _on_top(run, acceptance, sha, tip, message)
        ground = acceptance.ground
    raise Stuck("branch_moved", f"{run.assignment.branch} moved {ROUNDS} times while the change was pushed.")


async def push(run: Run, sha: str, branch: str, seen: str | None) -> None:
    """Push under the claim, once the conductor has confirmed it.

    Args:
        seen: The remote head that may be replaced; None where the branch does not exist.

    Raises:
        Fenced, Superseded: The work is no longer ours.
        Moved: The remote head is another one.
    """
    await run.confirm()
    await run.remotely(lambda credential: run.copy.push(sha, branch, credential, seen))


async def _moved_to(run: Run) -> str:
    await run.remotely(run.copy.fetch)
    tip = await run.copy.remote(run.assignment.branch)
    if tip is None:
        raise Stuck("branch_moved", f"Somebody deleted the branch {run.assignment.branch} meanwhile.")
    log.info("the branch moved", issue=run.assignment.issue, branch=run.assignment.branch, head=tip)
    return tip


async def _is_late(run: Run, tip: str, ground: Ground) -> bool:
    """Whether `tip` comes from a run of ours that lost its claim but not its way to the remote.

    It was made from the same head, and nobody counts it: it is replaced, not built upon.
    """
    copy = run.copy
    if await copy.trailer(tip, wording.ISSUE_TRAILER) != run.assignment.issue:
        return False
    other = await copy.trailer(tip, wording.RUN_TRAILER) != run.assignment.run
    return other and await copy.parents(tip) == ground.parents


async def _on_top(run: Run, acceptance: Acceptance, sha: str, tip: str, message: str) -> str:
    """The change made anew from `tip`, which somebody else pushed, and held against the checks again."""
    copy, ground = run.copy, acceptance.ground
    run.step("taking in what was pushed meanwhile")
    replayed = await copy.replay(sha, ground.head, tip)
    if replayed.conflicts:
        names = "\n".join(replayed.conflicts)
        raise Stuck("branch_moved", f"Somebody pushed {tip[:10]} meanwhile; it does not fit this change.", names)
    await copy.check_out(replayed.tree)
    since = ground.base if ground.merge else await copy.fork_point(tip, ground.base)
    acceptance.ground = replace(ground, head=tip, since=since, seen=tip)
    if complaint := await acceptance.complaint():
        reason = f"Somebody pushed {tip[:10]} meanwhile; together with it this change fails: {complaint.error_class}."
        raise Stuck("branch_moved", reason, complaint.text)
    return await copy.commit(acceptance.tree, acceptance.ground.parents, message, run.character.git)


async def _forget_parked(run: Run) -> None:
    """Remove the branch on which a rework was parked; that it stays does no harm."""
    branch = run.assignment.parking_branch
    head = await run.copy.remote(branch)
    if branch == run.assignment.branch or head is None:
        return
    try:
        await run.remotely(lambda credential: run.copy.delete(branch, credential, head))
    except (Moved, Stuck, RigError) as error:
        log.info("a parked branch is left over", branch=branch, reason=str(error))
