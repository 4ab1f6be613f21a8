"""Filling the world from a document: accounts, repositories with real commits, Apps and webhooks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rig.doubles.github import importing, pushes
from rig.doubles.github import repos as store
from rig.doubles.github.errors import Refused, unprocessable
from rig.doubles.github.importing import Change, File
from rig.doubles.github.model import (
    ZERO,
    App,
    Hook,
    Installation,
    Protection,
    Repository,
    Role,
    Token,
    now,
)
from rig.doubles.github.repos import Person
from rig.doubles.github.state import World

FIRST_COMMIT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
EVENTS = [
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "issue_comment",
    "issue_dependencies",
    "issues",
    "merge_group",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "push",
    "repository",
    "status",
    "sub_issues",
    "workflow_run",
]
APP_PERMISSIONS = {
    "administration": "read",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Identity(Strict):
    """A token and the account it speaks for."""

    token: str
    login: str
    expires_in: float | None = None


class SeedCommit(Strict):
    message: str = "Initial commit"
    files: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    directory: Path | None = None
    author: str | None = None
    email: str | None = None


class SeedRepository(Strict):
    """A repository `owner/name` with its history on the default branch."""

    name: str
    private: bool = False
    description: str | None = None
    default_branch: str = "main"
    directory: Path | None = None
    files: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    commits: list[SeedCommit] = Field(default_factory=list[SeedCommit])
    permissions: dict[str, Role] = Field(default_factory=dict[str, Role])
    labels: list[str] = Field(default_factory=list[str])
    delete_branch_on_merge: bool = False
    actions_output: bool = Field(
        default=True, description="False leaves CI's log to the jobs API alone, as GitHub Actions does"
    )


class SeedHook(Strict):
    """A webhook of a repository or of an App."""

    url: str
    secret: str = ""
    events: list[str] = Field(default_factory=lambda: [*EVENTS])
    repository: str | None = None
    app_id: int | None = None
    ping: bool = False


class SeedApp(Strict):
    """A GitHub App with its public key (PEM), installed on accounts."""

    id: int
    slug: str
    public_key: str
    owner: str
    permissions: dict[str, str] = Field(default_factory=lambda: {**APP_PERMISSIONS})
    installed_on: list[str] = Field(default_factory=list[str])


class SeedProtection(Strict):
    branch: str = "main"
    required_checks: list[str] = Field(default_factory=list[str])
    required_reviews: int = 0
    strict: bool = False
    merge_queue: bool = False
    queue_seconds: float = 30
    restrict_pushes: bool = False
    code_owners: bool = False


class Seed(Strict):
    """Everything that may stand in a seed file."""

    identities: list[Identity] = Field(default_factory=list[Identity])
    repositories: list[SeedRepository] = Field(default_factory=list[SeedRepository])
    apps: list[SeedApp] = Field(default_factory=list[SeedApp])
    hooks: list[SeedHook] = Field(default_factory=list[SeedHook])


async def plant(world: World, seed: Seed) -> None:
    for identity in seed.identities:
        add_identity(world, identity)
    for repository in seed.repositories:
        await add_repository(world, repository)
    for app in seed.apps:
        add_app(world, app)
    for hook in seed.hooks:
        add_hook(world, hook)


def add_identity(world: World, identity: Identity) -> Token:
    lasting = identity.expires_in
    expires = now() + timedelta(seconds=lasting) if lasting is not None else None
    world.tokens[identity.token] = Token(world.user(identity.login), expires_at=expires)
    return world.tokens[identity.token]


def add_app(world: World, seed: SeedApp) -> list[Installation]:
    app = App(seed.id, seed.slug, seed.slug, world.user(seed.owner), seed.public_key, seed.permissions)
    world.apps[app.id] = app
    world.user(f"{seed.slug}[bot]")
    made = [Installation(world.next_id(), app, world.user(login)) for login in seed.installed_on]
    world.installations |= {installation.id: installation for installation in made}
    return made


def find(world: World, full_name: str) -> Repository:
    owner, _, name = full_name.partition("/")
    return world.repository(owner, name)


def add_hook(world: World, seed: SeedHook) -> Hook:
    repository = find(world, seed.repository) if seed.repository else None
    app = world.apps.get(seed.app_id) if seed.app_id is not None else None
    if (repository is None) is (app is None):
        raise unprocessable("a webhook belongs to a repository or to a known App")
    hook = Hook(world.next_id(), seed.url, seed.secret, seed.events, repository, app)
    world.hooks.append(hook)
    if seed.ping:
        world.webhooks.ping(hook)
    return hook


async def add_repository(world: World, seed: SeedRepository) -> Repository:
    owner, _, name = seed.name.partition("/")
    if seed.name.lower() in world.repositories:
        raise Refused(422, f"{seed.name} exists already")
    number = world.next_id()
    path = world.data / "repositories" / f"{number}.git"
    made = Repository(number, world.user(owner), name, path, seed.private, seed.default_branch, seed.description)
    made.permissions = {world.user(login).login: role for login, role in seed.permissions.items()}
    made.delete_branch_on_merge, made.actions_output = seed.delete_branch_on_merge, seed.actions_output
    await asyncio.to_thread(store.create, path, seed.default_branch)
    for label in seed.labels:
        world.label(made, label)
    world.repositories[seed.name.lower()] = made
    if history := await asyncio.to_thread(_history, made, seed):
        await importing.write(path, f"refs/heads/{seed.default_branch}", None, history)
        made.refs = await store.refs(path)
        world.ci.pushed(made, seed.default_branch, made.refs[f"refs/heads/{seed.default_branch}"], ZERO)
    return made


def _history(repo: Repository, seed: SeedRepository) -> list[Change]:
    """The planned commits, an hour apart, so that their names are the same every time."""
    planned = [*seed.commits]
    if seed.directory or seed.files:
        planned.insert(0, SeedCommit(directory=seed.directory, files=seed.files))
    return [_change(repo, one, position) for position, one in enumerate(planned)]


def _change(repo: Repository, planned: SeedCommit, position: int) -> Change:
    name, at = planned.author or repo.owner.login, FIRST_COMMIT + timedelta(hours=position)
    found = importing.files_of(planned.directory) if planned.directory else {}
    found |= _files(planned.files)
    author = Person(name, planned.email or repo.owner.email, at)
    return Change(author, planned.message, found, fresh=planned.directory is not None)


def _files(files: dict[str, str | None]) -> dict[str, File]:
    return {path: File(None if text is None else text.encode()) for path, text in files.items()}


async def push_files(
    world: World, repo: Repository, branch: str, login: str, message: str, files: dict[str, str | None]
) -> str:
    """A commit on a branch as if that account had pushed it; the branch is made where it is missing."""
    async with repo.writing:
        ref, account = f"refs/heads/{branch}", world.user(login)
        old = repo.branch(branch)
        parent = old or repo.branch(repo.default_branch)
        if parent is None:
            raise unprocessable("the repository is empty")
        change = Change(Person(account.login, account.email, now()), message, _files(files))
        await importing.write(repo.path, ref, parent, [change])
        made = (await store.refs(repo.path))[ref]
        repo.refs[ref] = made
        await pushes.moved(world, repo, account, ref, old or ZERO, made)
    return made


def protect(repo: Repository, seed: SeedProtection) -> None:
    held = Protection(
        seed.required_checks,
        seed.required_reviews,
        seed.strict,
        seed.merge_queue,
        seed.queue_seconds,
        seed.restrict_pushes,
        seed.code_owners,
    )
    repo.protections[seed.branch] = held
