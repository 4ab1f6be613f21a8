"""Requests to GitHub: blocking PyGithub in a pool of few threads, and writes that happen once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from github import GithubException
from github.Repository import Repository
from requests.exceptions import RequestException, Timeout

from servers.github.accounts import Account, GitToken, account
from servers.github.failures import FAILURES, meaning
from servers.github.kept import Kept
from servers.github.mirrors import Mirrors
from servers.github.queries import graphql
from servers.github.settings import IDENTITIES, GitHubSettings, Identity
from servers.kit.clock import Clock, SystemClock
from servers.kit.errors import Forbidden

T = TypeVar("T")
READ_ATTEMPTS = 3
LOCKS = 64


class GitHub:
    """GitHub under each of the rig's identities."""

    def __init__(self, settings: GitHubSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.kept = Kept(self.clock)
        self.mirrors = Mirrors(settings.github_url, settings.github_mirror_megabytes)
        self._pool = ThreadPoolExecutor(settings.github_threads, thread_name_prefix="github")
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self.renamed: set[str] = set()  # what enrolled repositories are called now, in small letters
        self._accounts: dict[Identity, Account] = {
            identity: account(credential, settings, self.clock)
            for identity in IDENTITIES
            if (credential := settings.credential(identity))
        }

    def account(self, identity: Identity) -> Account:
        """The account of `identity`.

        Raises:
            Forbidden: No credential is set.
        """
        if identity not in self._accounts:
            raise Forbidden(
                "The rig has no GitHub credential. Set RIG_GITHUB_TOKEN, or RIG_GITHUB_APP_ID with its key."
            )
        return self._accounts[identity]

    def repository(self, name: str, identity: Identity) -> Repo:
        """`name` as `identity` sees it; asks GitHub nothing yet."""
        return Repo(self, name, self.account(identity))

    def lock(self, key: str) -> threading.Lock:
        """The lock for writes under `key`; few locks serve all keys."""
        return self._locks[hash(key) % LOCKS]

    async def run(self, work: Callable[[], T]) -> T:
        """Do blocking work in the pool; failures come as the rig's errors."""

        def translated() -> T:
            try:
                return work()
            except FAILURES as error:
                raise meaning(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, translated)

    def close(self) -> None:
        """Start no further requests; those under way finish by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.mirrors.close()


@dataclass(frozen=True)
class Repo:
    """One repository as one identity sees it."""

    github: GitHub
    name: str
    account: Account

    async def run(self, work: Callable[[Repository], T]) -> T:
        """Do blocking `work` on the repository in the pool."""
        return await self.github.run(lambda: work(self._open()))

    async def once(
        self, key: str, look: Callable[[Repository], T | None], write: Callable[[Repository], T]
    ) -> tuple[T, bool]:
        """Write unless `look` finds that it was written; True says that this call wrote.

        A failed write is looked for once more, for GitHub may have done it before it failed.
        """
        return await self.run(lambda repo: self._locked(key, repo, look, write))

    async def query(self, name: str, /, **variables: Any) -> dict[str, Any]:
        """Run the read `graphql/<name>.graphql`, again where GitHub fails."""
        return await self.run(lambda repo: _ask(repo, name, variables, READ_ATTEMPTS))

    async def login(self) -> str:
        """Who we are here."""
        return await self.github.run(self.account.login)

    async def git_token(self, access: Literal["read", "write"]) -> GitToken:
        """A secret for git on this repository."""
        return await self.github.run(lambda: self.account.git_token(self.name, access))

    def _open(self) -> Repository:
        return self.account.client(self.name).get_repo(self.name)

    def _locked(
        self,
        key: str,
        repo: Repository,
        look: Callable[[Repository], T | None],
        write: Callable[[Repository], T],
    ) -> tuple[T, bool]:
        with self.github.lock(f"{self.name.lower()} {key}"):
            if (found := look(repo)) is not None:
                return found, False
            try:
                return write(repo), True
            except FAILURES:
                with suppress(*FAILURES):
                    if (found := look(repo)) is not None:
                        return found, True
                raise


def mutate(repo: Repository, name: str, /, **variables: Any) -> dict[str, Any]:
    """Run the write `graphql/<name>.graphql`, once."""
    return _ask(repo, name, variables, attempts=1)


def ask(repo: Repository, name: str, /, **variables: Any) -> dict[str, Any]:
    """Run the read `graphql/<name>.graphql` within the pool."""
    return _ask(repo, name, variables, READ_ATTEMPTS)


def _ask(repo: Repository, name: str, variables: dict[str, Any], attempts: int) -> dict[str, Any]:
    for left in reversed(range(attempts)):
        try:
            return repo.requester.graphql_query(graphql(name), variables)[1]["data"]
        except (GithubException, RequestException) as error:
            answered = isinstance(error, GithubException) and error.status < 500
            if answered or isinstance(error, Timeout) or not left:
                raise
    raise AssertionError("unreachable")
