"""Tools for checks and commit statuses."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Literal

from github.CommitStatus import CommitStatus
from github.Repository import Repository as GitHubRepository
from pydantic import Field

from servers.github.arguments import As, Ref, Repository, Sha
from servers.github.models import Check, Checks, StatusAnswer
from servers.github.snapshot import run_state, status_state, summarize
from servers.github.toolbox import READERS, STEWARDS, AccessDep, tools
from servers.kit.tools import READ_WORLD, WRITE_WORLD

StatusState = Literal["success", "failure", "pending", "error"]
RUNS_LIMIT = 500


@tools.tool(READ_WORLD, READERS)
async def get_checks(repository: Repository, ref: Ref, access: AccessDep) -> Checks:
    """Read the check runs and statuses of a commit; which of them are required, only a snapshot knows."""

    def read(repo: GitHubRepository) -> Checks:
        commit = repo.get_commit(ref)
        runs = [
            Check(
                name=run.name,
                kind="check_run",
                state=run_state(run.status, run.conclusion),
                url=run.details_url,
                required=None,
            )
            for run in islice(commit.get_check_runs(filter="latest"), RUNS_LIMIT)
        ]
        combined = commit.get_combined_status()
        statuses = [
            Check(
                name=status.context,
                kind="status",
                state=status_state(status.state),
                url=status.target_url,
                required=None,
            )
            for status in combined.statuses
        ]
        return Checks(sha=combined.sha, state=summarize([*runs, *statuses]), checks=[*runs, *statuses])

    return await access.reading(repository).run(read)


@tools.tool(WRITE_WORLD, STEWARDS)
async def set_status(
    repository: Repository,
    sha: Sha,
    context: Annotated[str, Field(description="Name of the status", min_length=1, max_length=100)],
    state: Annotated[StatusState, Field(description="success, failure, pending or error")],
    description: Annotated[str, Field(description="One short line; cut after 140 characters", max_length=10_000)],
    access: AccessDep,
    target_url: Annotated[
        str | None, Field(description="Page that explains", max_length=1000, pattern=r"^https?://")
    ] = None,
    identity: As = None,
) -> StatusAnswer:
    """Set the status of a commit under one context, unless it is set so already."""
    repo = await access.writing(repository, identity)
    short = description if len(description) <= 140 else f"{description[:139]}…"

    def look(repo: GitHubRepository) -> CommitStatus | None:
        for status in repo.get_commit(sha).get_combined_status().statuses:
            said = (status.context, status.state, status.description or "", status.target_url or None)
            if said == (context, state, short, target_url):
                return status
        return None

    def write(repo: GitHubRepository) -> CommitStatus:
        extra = {"target_url": target_url} if target_url else {}
        return repo.get_commit(sha).create_status(state, context=context, description=short, **extra)

    _, created = await repo.once(f"status {sha} {context}", look, write)
    return StatusAnswer(context=context, state=state, created=created)
