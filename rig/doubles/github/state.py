"""The world: every record, the numbers given out, and the parts that act on it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rig.doubles.github.errors import not_found
from rig.doubles.github.model import (
    App,
    Hook,
    Installation,
    Issue,
    Json,
    Label,
    PullRequest,
    Repository,
    Role,
    Token,
    User,
    now,
)

if TYPE_CHECKING:
    from rig.doubles.github.ci import Ci
    from rig.doubles.github.faults import Faults
    from rig.doubles.github.webhooks import Webhooks

log = logging.getLogger(__name__)

ACTIONS_APP = 15368


@dataclass
class World:
    url: str
    data: Path
    users: dict[str, User] = field(default_factory=dict[str, User])
    tokens: dict[str, Token] = field(default_factory=dict[str, Token])
    apps: dict[int, App] = field(default_factory=dict[int, App])
    installations: dict[int, Installation] = field(default_factory=dict[int, Installation])
    repositories: dict[str, Repository] = field(default_factory=dict[str, Repository])
    teams: dict[str, list[User]] = field(default_factory=dict[str, list[User]])
    hooks: list[Hook] = field(default_factory=list[Hook])
    requests: deque[Json] = field(default_factory=lambda: deque[Json](maxlen=5000))
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))
    background: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    webhooks: Webhooks = field(init=False)
    ci: Ci = field(init=False)
    faults: Faults = field(init=False)

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"

    def next_id(self) -> int:
        return next(self.counter)

    def user(self, login: str) -> User:
        """The account of that login, made on first mention."""
        known = self.users.get(login.lower())
        if known is None:
            kind = "Bot" if login.endswith("[bot]") else "User"
            known = User(self.next_id(), login, login.removesuffix("[bot]"), kind)
            self.users[login.lower()] = known
        return known

    def find_user(self, login: str) -> User:
        if login.lower() not in self.users:
            raise not_found()
        return self.users[login.lower()]

    def repository(self, owner: str, name: str) -> Repository:
        found = self.repositories.get(f"{owner}/{name}".lower())
        if found is None:
            raise not_found()
        return found

    def repository_of(self, issue: Issue) -> Repository:
        return next(r for r in self.repositories.values() if r.issues.get(issue.number) is issue)

    def grant(self, repository: Repository, login: str, role: Role) -> None:
        repository.permissions[self.user(login).login] = role

    def label(self, repository: Repository, name: str, color: str = "ededed", text: str | None = None) -> Label:
        key = name.lower()
        if key not in repository.labels:
            repository.labels[key] = Label(self.next_id(), name, color, text)
        return repository.labels[key]

    def actions_app(self) -> App:
        """The App in whose name CI reports."""
        if ACTIONS_APP not in self.apps:
            permissions = {"checks": "write", "contents": "read", "metadata": "read"}
            owner = self.user("github")
            self.apps[ACTIONS_APP] = App(ACTIONS_APP, "github-actions", "GitHub Actions", owner, "", permissions)
        return self.apps[ACTIONS_APP]

    def installations_on(self, repository: Repository) -> list[Installation]:
        return [i for i in self.installations.values() if i.account is repository.owner]

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.background.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background work failed", exc_info=error)


def find_issue(repository: Repository, number: int) -> Issue:
    issue = repository.issues.get(number)
    if issue is None:
        raise not_found()
    return issue


def find_pull(repository: Repository, number: int) -> PullRequest:
    pull = find_issue(repository, number).pull
    if pull is None:
        raise not_found()
    return pull


def next_number(repository: Repository) -> int:
    return max(repository.issues, default=0) + 1


def touch(issue: Issue) -> None:
    issue.updated_at = now()
