"""The GitHub server: its tools, as they are declared in this package, and how it is mounted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC

from github.Repository import Repository as GitHubRepository

from servers.github import changes, checks, deliveries, deployments, documents, issues, merging, pulls, reviews
from servers.github.arguments import Repository
from servers.github.client import GitHub
from servers.github.models import GitCredential, RepositoryAnswer
from servers.github.settings import GitHubSettings
from servers.github.toolbox import READERS, RUNTIME, AccessDep, State, tools
from servers.kit.claims import ClaimChecker
from servers.kit.clock import Clock
from servers.kit.serve import Part
from servers.kit.tools import READ_WORLD

__all__ = [
    "changes",
    "checks",
    "deliveries",
    "deployments",
    "documents",
    "issues",
    "merging",
    "part",
    "pulls",
    "reviews",
    "tools",
]


@tools.tool(READ_WORLD, READERS)
async def get_repository(repository: Repository, access: AccessDep) -> RepositoryAnswer:
    """Read a repository's number, main branch and clone address.

    Where GitHub gave an enrolled repository another name, that name is good from then on.
    """
    url = access.github.settings.github_url

    def read(repo: GitHubRepository) -> RepositoryAnswer:
        return RepositoryAnswer(
            id=repo.id,
            full_name=repo.full_name,
            default_branch=repo.default_branch,
            private=repo.private,
            clone_url=f"{url}/{repo.full_name}.git",
        )

    answer = await access.reading(repository).run(read)
    if answer.full_name.lower() != repository.lower():
        access.github.renamed.add(answer.full_name.lower())
    return answer


@tools.tool(READ_WORLD, RUNTIME)
async def git_credential(repository: Repository, access: AccessDep) -> GitCredential:
    """Get what git needs to clone a repository and, for who writes, to push. For programs, never for a model.

    With a GitHub App the password is good for this repository alone and ends within the hour.
    """
    repo = await access.writing(repository)  # only under a claim
    token = await repo.git_token("write" if access.caller.role in ("dev", "service") else "read")
    return GitCredential(
        clone_url=f"{access.github.settings.github_url}/{repository}.git",
        username="x-access-token",
        password=token.secret,
        expires_at=token.expires_at.astimezone(UTC) if token.expires_at else None,
    )


def part(settings: GitHubSettings, claims: ClaimChecker, clock: Clock | None = None) -> Part:
    """The server as it is mounted.

    Args:
        claims: Decides whether an agent's claim still holds.
    """

    @asynccontextmanager
    async def open_state() -> AsyncGenerator[State]:
        github = GitHub(settings, clock)
        try:
            yield State(github, claims)
        finally:
            github.close()

    return Part(tools, open_state, ready=_ready)


async def _ready(state: State) -> str | None:
    if state.github.settings.credential("conductor") is None:
        return "no GitHub credential: set RIG_GITHUB_TOKEN, or RIG_GITHUB_APP_ID and RIG_GITHUB_APP_PRIVATE_KEY"
    return None
