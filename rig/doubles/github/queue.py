"""The native merge queue: what is put in is tested together with the base, then landed or put out again."""

from __future__ import annotations

import asyncio
import time

from rig.doubles.github import checks, issues, merging
from rig.doubles.github import repos as store
from rig.doubles.github.errors import Refused
from rig.doubles.github.model import ZERO, Json, PullRequest, Repository, User
from rig.doubles.github.state import World

POLL_SECONDS = 0.02


async def run(world: World, repo: Repository, pull: PullRequest, actor: User) -> None:
    """Land what waits, one after the other, or put it out with GitHub's reason."""
    entry, head = pull.queue_entry, pull.head_sha
    async with repo.queueing:
        reason = await _tested(world, repo, pull, actor)
        if pull.queue_entry != entry:
            return
        if reason is None and pull.head_sha == head:
            try:
                await merging.merge(world, repo, pull, actor, "squash", by_queue=True)
            except Refused:
                reason = "MERGE_CONFLICT"
            else:
                return
    leave(world, repo, pull, actor, reason or "BRANCH_UPDATED")


def leave(world: World, repo: Repository, pull: PullRequest, actor: User, reason: str) -> None:
    """Put a pull request out of the queue."""
    pull.queue_entry = None
    issues.announce_pull(world, repo, pull, "dequeued", actor, reason=reason)


async def _tested(world: World, repo: Repository, pull: PullRequest, actor: User) -> str | None:
    """Run CI for the merge group; why it may not land, if it may not."""
    base = repo.branch(pull.base_ref) or ZERO
    tree = await store.merge_tree(repo.path, base, pull.head_sha)
    if tree is None:
        return "MERGE_CONFLICT"
    who = merging.web_committer()
    message = f"Merge pull request #{pull.number} from {repo.owner.login}/{pull.head_ref}"
    made = await store.commit_tree(repo.path, tree, [base], message, who, who)
    ref = f"refs/heads/gh-readonly-queue/{pull.base_ref}/pr-{pull.number}-{base}"
    await store.update_ref(repo.path, ref, made)
    repo.refs[ref] = made
    try:
        (commit,) = await store.log(repo.path, f"{base}..{made}")
        group: Json = {
            "head_sha": made,
            "head_ref": ref,
            "base_sha": base,
            "base_ref": f"refs/heads/{pull.base_ref}",
            "head_commit": checks.simple_commit(commit),
        }
        world.webhooks.emit(repo, "merge_group", actor, action="checks_requested", merge_group=group)
        await world.ci.grouped(repo, pull.base_ref, made, ref)
        reason = await _judged(repo, pull, made)
        outcome = "invalidated" if reason else "merged"
        world.webhooks.emit(repo, "merge_group", actor, action="destroyed", merge_group=group, reason=outcome)
        return reason
    finally:
        await store.update_ref(repo.path, ref, ZERO, made)
        repo.refs.pop(ref, None)


async def _judged(repo: Repository, pull: PullRequest, sha: str) -> str | None:
    """Why the merge group at `sha` may not land; every check that the base demands has to report there."""
    entry, protection = pull.queue_entry, repo.protections.get(pull.base_ref)
    end = time.monotonic() + (protection.queue_seconds if protection else 0)
    while pull.queue_entry == entry:
        words = [checks.words_of(repo, sha, name) for name in checks.required(repo, pull.base_ref)]
        if checks.rollup_state(repo, sha) not in (None, "SUCCESS", "PENDING"):
            return "CI_FAILURE"
        if all(said == {"SUCCESS"} for said in words):
            return None
        if time.monotonic() > end:
            return "CI_TIMEOUT"
        await asyncio.sleep(POLL_SECONDS)
    return "MANUAL"
