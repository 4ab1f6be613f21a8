"""The scopes that memories hold in: one for each repository, and one for everything."""

from __future__ import annotations

import re

from servers.kit.database import Pool
from servers.kit.errors import InvalidInput
from servers.memory.indexing import SQL

GLOBAL = 0
_REPO = re.compile(r"[A-Za-z0-9][\w-]{0,99}/[\w.-]{1,100}", re.ASCII)


class Scopes:
    """Names of repositories as the numbers of their scopes, which never change."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, int] = {"": GLOBAL}

    async def of(self, repo: str) -> int:
        """The scope of `repo`, new if need be; empty stands for everything.

        Raises:
            InvalidInput: It is not of the form owner/repo.
        """
        known = await self.known(repo)
        if known is None:
            await self._pool.execute(SQL["make_scope"], repo)
            known = self._known[repo.lower()] = await self._pool.fetchval(SQL["scope_id"], repo)
        return known

    async def seen_from(self, repo: str | None) -> list[int]:
        """The scopes whose memories matter in `repo`: its own, if it has any, and what holds everywhere; else all."""
        if repo is None:
            return [row["id"] for row in await self._pool.fetch(SQL["scope_ids"])]
        known = await self.known(repo)
        return [GLOBAL] if known is None else sorted({GLOBAL, known})

    async def known(self, repo: str) -> int | None:
        """The scope of `repo`, if anything was ever remembered of it.

        Raises:
            InvalidInput: It is not of the form owner/repo.
        """
        name = repo.lower()
        if name not in self._known:
            require_repo(repo)
            found = await self._pool.fetchval(SQL["scope_id"], repo)
            if found is None:
                return None
            self._known[name] = found
        return self._known[name]


def require_repo(repo: str) -> None:
    """Refuse what is no repository's name.

    Raises:
        InvalidInput: It is not of the form owner/repo.
    """
    if not _REPO.fullmatch(repo):
        raise InvalidInput(f"{repo[:100]!r} is not a repository; write it as owner/repo.")
