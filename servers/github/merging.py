"""Tools that land a pull request."""

from __future__ import annotations

from typing import Annotated, Literal

from github.Repository import Repository as GitHubRepository
from pydantic import Field

from servers.github.arguments import As, Body, Branch, Number, Repository, Sha
from servers.github.client import ask, mutate
from servers.github.models import CleanMerge, Dequeued, Merge, Queued
from servers.github.toolbox import SERVERS, STEWARDS, AccessDep, tools
from servers.github.trees import Json, child
from servers.kit.errors import Conflict, NotFound
from servers.kit.tools import DESTRUCTIVE_WORLD, READ_WORLD


@tools.tool(DESTRUCTIVE_WORLD, STEWARDS)
async def merge_pull_request(
    repository: Repository,
    number: Number,
    head_sha: Sha,
    title: Annotated[str, Field(description="First line of the commit", min_length=1, max_length=400)],
    message: Body,
    access: AccessDep,
    method: Annotated[Literal["squash", "merge", "rebase"], Field(description="How")] = "squash",
    identity: As = None,
) -> Merge:
    """Merge a pull request if its head is still `head_sha`; one merged at that head answers its commit again.

    Fails with conflict, in GitHub's words, where the head moved or the pull request cannot be merged now.
    """
    repo = await access.writing(repository, identity)

    def look(repo: GitHubRepository) -> Merge | None:
        pull = repo.get_pull(number)
        if pull.head.sha != head_sha:
            raise Conflict(f"The head of #{number} is {pull.head.sha}, not {head_sha}. Decide again on that.")
        return Merge(merged=True, sha=pull.merge_commit_sha) if pull.merged_at else None

    def write(repo: GitHubRepository) -> Merge:
        done = repo.get_pull(number).merge(
            commit_title=" ".join(title.split()), commit_message=message, merge_method=method, sha=head_sha
        )
        return Merge(merged=done.merged, sha=done.sha)

    merged, _ = await repo.once(f"merge {number}", look, write)
    return merged


@tools.tool(READ_WORLD, SERVERS)
async def is_clean_merge(
    repository: Repository, head_sha: Sha, base: Branch, merged_sha: Sha, access: AccessDep
) -> CleanMerge:
    """Whether `merged_sha` is `head_sha` with a commit of the branch `base` merged into it, and nothing else.

    git merges the two anew and compares the trees, so that an approval of the head may stand for the merge.
    """
    repo = await access.writing(repository)
    token = await repo.git_token("read")
    mirrors = access.github.mirrors
    return CleanMerge(clean=await mirrors.is_clean_merge(repository, token.secret, head_sha, base, merged_sha))


@tools.tool(DESTRUCTIVE_WORLD, STEWARDS)
async def enqueue_pull_request(
    repository: Repository, number: Number, head_sha: Sha, access: AccessDep, identity: As = None
) -> Queued:
    """Put a pull request into the merge queue of its base branch if its head is still `head_sha`."""
    repo = await access.writing(repository, identity)

    def write(repo: GitHubRepository) -> Queued:
        pull = _queueing(repo, repository, number)
        if pull["headRefOid"] != head_sha:
            raise Conflict(f"The head of #{number} is {pull['headRefOid']}, not {head_sha}.")
        entry = child(pull, "mergeQueueEntry")
        if not pull["isInMergeQueue"]:
            queued = mutate(repo, "enqueue", id=pull["id"], head=head_sha)
            entry = child(queued, "enqueuePullRequest", "mergeQueueEntry")
        return Queued(queued=True, position=entry.get("position"))

    return await repo.run(write)


@tools.tool(DESTRUCTIVE_WORLD, STEWARDS)
async def dequeue_pull_request(
    repository: Repository, number: Number, access: AccessDep, identity: As = None
) -> Dequeued:
    """Take a pull request out of the merge queue of its base branch; nothing happens to one that is in none."""
    repo = await access.writing(repository, identity)

    def look(repo: GitHubRepository) -> Dequeued | None:
        return None if _queueing(repo, repository, number)["isInMergeQueue"] else Dequeued(dequeued=False)

    def write(repo: GitHubRepository) -> Dequeued:
        mutate(repo, "dequeue", id=_queueing(repo, repository, number)["id"])
        return Dequeued(dequeued=True)

    out, _ = await repo.once(f"dequeue {number}", look, write)
    return out


def _queueing(repo: GitHubRepository, repository: str, number: int) -> Json:
    """The pull request as it stands to its base's queue."""
    owner, _, name = repository.partition("/")
    pull = child(ask(repo, "queue_entry", owner=owner, name=name, number=number), "repository", "pullRequest")
    if not pull:
        raise NotFound(f"There is no pull request #{number} in {repository}.")
    return pull
