"""The rig's identities at GitHub: a personal access token, or an App with its installations."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Literal, Protocol
from urllib.parse import quote

from github import Auth, Github, GithubException, GithubIntegration
from github.Requester import Requester
from urllib3.util import Retry

from servers.github.queries import graphql
from servers.github.settings import Credential, GitHubSettings, TokenCredential
from servers.kit.clock import Clock
from servers.kit.errors import NotFound

INSTALLATION_SECONDS = 600.0


@dataclass(frozen=True)
class GitToken:
    """A secret for git over HTTPS and when it ends."""

    secret: str
    expires_at: datetime | None


class Account(Protocol):
    """One identity; every method blocks and belongs into the thread pool."""

    @property
    def app(self) -> Requester | None:
        """Requests as the App itself, where the identity is one."""
        ...

    def client(self, repository: str) -> Github:
        """A client that may see `repository`."""
        ...

    def login(self) -> str:
        """The identity's login, as REST writes it."""
        ...

    def git_token(self, repository: str, access: Literal["read", "write"]) -> GitToken:
        """A secret for cloning `repository`, with `write` also for pushing."""
        ...


def account(credential: Credential, settings: GitHubSettings, clock: Clock) -> Account:
    """The account behind `credential`."""
    if isinstance(credential, TokenCredential):
        return TokenAccount(credential.token, settings)
    integration = GithubIntegration(
        auth=Auth.AppAuth(credential.app_id, credential.private_key), **_options(settings)
    )
    return AppAccount(integration, clock)


def _options(settings: GitHubSettings) -> dict[str, Any]:
    # Only reads are repeated, for a write that got a 502 may have happened; and nobody sleeps until a rate
    # limit ends, for that would hold one of few threads: the caller hears how long to wait instead.
    retry = Retry(
        total=3,
        read=1,
        allowed_methods=["GET"],
        status_forcelist=[500, 502, 503, 504],
        backoff_factor=0.2,
        respect_retry_after_header=False,
        raise_on_status=False,
    )
    return {
        "base_url": settings.api_url,
        "timeout": settings.github_timeout_seconds,
        "user_agent": f"engineering-rig/{version('engineering-rig')}",
        "per_page": 100,
        "retry": retry,
        "pool_size": settings.github_threads,
        "seconds_between_requests": None,
        "seconds_between_writes": None,
        "lazy": True,
    }


class TokenAccount:
    """A personal access token: one client for everything it sees."""

    def __init__(self, token: str, settings: GitHubSettings) -> None:
        self._token = token
        self._client = Github(auth=Auth.Token(token), **_options(settings))
        self._login: str | None = None
        self.app = None

    def client(self, repository: str) -> Github:
        return self._client

    def login(self) -> str:
        if self._login is None:
            self._login = self._find_login()
        return self._login

    def git_token(self, repository: str, access: Literal["read", "write"]) -> GitToken:
        return GitToken(self._token, None)

    def _find_login(self) -> str:
        try:
            return self._client.get_user().login
        except GithubException as error:
            if error.status != 403:
                raise
            # A token of an App's installation has no user, but GraphQL knows whom it speaks for.
            _, answer = self._client.requester.graphql_query(graphql("viewer"), {})
            return answer["data"]["viewer"]["login"]


class AppAccount:
    """An App: one client per installation, found by repository and looked up again every ten minutes."""

    def __init__(self, integration: GithubIntegration, clock: Clock) -> None:
        self._integration = integration
        self.app = integration.requester
        self._clock = clock
        self._lock = threading.Lock()
        self._installations: dict[str, tuple[int, float]] = {}
        self._clients: dict[int, Github] = {}
        self._login: str | None = None

    def client(self, repository: str) -> Github:
        installation = self._installation(repository)
        with self._lock:
            if installation not in self._clients:
                self._clients[installation] = self._integration.get_github_for_installation(installation)
            return self._clients[installation]

    def login(self) -> str:
        if self._login is None:
            self._login = f"{self._integration.get_app().slug}[bot]"
        return self._login

    def git_token(self, repository: str, access: Literal["read", "write"]) -> GitToken:
        _, answer = self._integration.requester.requestJsonAndCheck(
            "POST",
            f"/app/installations/{self._installation(repository)}/access_tokens",
            input={
                "repositories": [repository.partition("/")[2]],
                "permissions": {"contents": access, "metadata": "read"},
            },
        )
        return GitToken(answer["token"], datetime.fromisoformat(answer["expires_at"]))

    def _installation(self, repository: str) -> int:
        name, now = repository.lower(), self._clock.monotonic()
        found = self._installations.get(name)
        if found is None or now - found[1] > INSTALLATION_SECONDS:
            found = self._installations[name] = (self._find_installation(repository), now)
        return found[0]

    def _find_installation(self, repository: str) -> int:
        owner, _, name = repository.partition("/")
        try:
            return self._integration.get_repo_installation(quote(owner), quote(name)).id
        except GithubException as error:
            if error.status != 404:
                raise
            raise NotFound(
                f"The App {self.login()} is not installed on {repository}. Install it there, then try again."
            ) from error
