"""One look before the start: GitHub takes every credential and shows every repository, and a sandbox works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from github import GithubException

from servers.github.client import GitHub
from servers.github.protections import demands
from servers.github.settings import GITHUB_ACCESS, IDENTITIES, Credential, GitHubSettings, Identity, TokenCredential
from servers.kit.errors import Forbidden, InvalidInput, NotFound, RigError
from servers.workspace.sandbox import choose
from servers.workspace.settings import WorkspaceSettings

PATIENCE_SECONDS = 8.0
LATER = "The rig goes on trying, and works as soon as GitHub answers."


@dataclass(frozen=True)
class Finding:
    """What GitHub said; `refused` where only a person can change it."""

    text: str
    refused: bool


async def look(settings: GitHubSettings) -> list[Finding]:
    """Read every repository once under every credential; what does not work."""
    github = GitHub(settings)
    asking = [_ask(github, name, *who) for who in _identities(settings) for name in settings.repositories]
    if settings.reviews_own_work:
        asking += [_self_review(github, name) for name in settings.repositories]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await asyncio.gather(*asking)
    except TimeoutError:
        return [Finding(f"GitHub did not answer within {PATIENCE_SECONDS:g} s. {LATER}", refused=False)]
    finally:
        github.close()
    return list(dict.fromkeys(one for one in found if one))


def require_access(found: Sequence[Finding]) -> list[str]:
    """Refuse to start where GitHub refuses; otherwise what a person should know.

    Raises:
        InvalidInput: Everything that GitHub refuses, each with what to change.
    """
    refused = [f"  - {one.text}" for one in found if one.refused]
    if refused:
        raise InvalidInput("\n".join(["`rig up` cannot start, for GitHub refuses it:", *refused]))
    return [one.text for one in found]


def require_sandbox() -> None:
    """Refuse to start where no command of an agent could run.

    Raises:
        Unavailable: No sandbox works here; says what to install.
    """
    choose(WorkspaceSettings.load().sandbox)


def _identities(settings: GitHubSettings) -> Iterator[tuple[Identity, str]]:
    """Every identity with a credential of its own, and the setting that holds it."""
    known: set[Credential] = set()
    for identity in IDENTITIES:
        credential = settings.credential(identity)
        if credential is None or credential in known:
            continue
        known.add(credential)
        yield identity, _setting(identity, credential)


def _setting(identity: Identity, credential: Credential) -> str:
    own = "" if identity == "conductor" else f"{identity.upper()}_"
    if isinstance(credential, TokenCredential):
        return f"RIG_GITHUB_{own}TOKEN" if own else "GITHUB_TOKEN"
    return f"RIG_GITHUB_{own}APP_ID"


async def _ask(github: GitHub, repository: str, identity: Identity, setting: str) -> Finding | None:
    try:
        await github.repository(repository, identity).run(lambda repo: repo.id)
    except (Forbidden, NotFound) as error:
        return Finding(_refusal(error, repository, identity, setting), refused=True)
    except RigError as error:
        return Finding(f"{str(error).removesuffix(' Try again later.')} {LATER}", refused=False)
    return None


async def _self_review(github: GitHub, repository: str) -> Finding | None:
    """GitHub takes no approval from the author's own account; where the base demands one, nothing merges."""
    repo = github.repository(repository, "review")
    try:
        branch = await repo.run(lambda opened: opened.default_branch)
        wanted = (await demands(repo, branch)).approvals
    except RigError:
        return None  # what does not work at all is said elsewhere
    if not wanted:
        return None
    noun = "approval" if wanted == 1 else "approvals"
    text = (
        f"{repository} demands {wanted} {noun} on {branch}, and author and reviewer are one account, from which "
        "GitHub takes none. Set RIG_GITHUB_REVIEW_TOKEN to another account's, or approve pull requests yourself."
    )
    return Finding(text, refused=False)


def _refusal(error: RigError, repository: str, identity: Identity, setting: str) -> str:
    if isinstance(error.__cause__, GithubException) and error.__cause__.status == 401:
        how = GITHUB_ACCESS if identity == "conductor" else "Set it to one that is valid."
        return f"GitHub does not accept {setting}. {how}"
    if isinstance(error, NotFound):
        return f"{repository} with {setting}: {error} Correct RIG_REPOSITORIES, or give {setting} access to it."
    return f"{repository} with {setting}: {error} Give {setting} access to it."
