"""Which repositories the rig works on, whatever they are called by now."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from conductor.github import GitHub, SeenRepository
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.store.writer import Store, connection_of
from servers.kit.database import load_queries
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("enrolment.sql"))
log = get(__name__)


class Enrolment:
    """Knows enrolled repositories by the name in the settings, by today's name, and by GitHub's number.

    Args:
        names: The enrolled ones as the settings name them, as owner/repo.
    """

    def __init__(self, store: Store, github: GitHub, names: Collection[str]) -> None:
        self.store = store
        self.github = github
        self._names = {name.lower(): name for name in names}

    @property
    def names(self) -> list[str]:
        """As the settings name them."""
        return list(self._names.values())

    def owns(self, account: str) -> bool:
        """Whether an enrolled repository belongs to the account."""
        return any(name.startswith(f"{account.lower()}/") for name in self._names)

    async def current(self, name: str) -> str | None:
        """Today's name of the enrolled repository that is or was called `name`; None for any other."""
        async with connection_of(self.store.pool) as connection:
            known = await connection.fetchval(SQL["current_name"], name, list(self._names))
        return known or self._names.get(name.lower())

    async def reconciled(self, name: str) -> None:
        """Note that everything of an enrolled repository was looked at."""
        async with connection_of(self.store.pool) as connection:
            await connection.execute(SQL["reconciled"], name)

    async def look(self, name: str) -> SeenRepository:
        """Read what the repository is called now, and tell its issues where that is new.

        Args:
            name: Any name that leads to it; GitHub redirects old ones.

        Raises:
            NotFound: It is gone, or may not be seen.
        """
        seen = await self.github.repository(name)
        async with connection_of(self.store.pool) as connection:
            enrolled = await connection.fetchval(SQL["enrolled_name"], seen.id, list(self._names)) or name
            await connection.execute(SQL["remember_repository"], seen.id, seen.full_name, enrolled)
            behind = await connection.fetch(SQL["called_otherwise"], seen.id, seen.full_name)
        for row in behind:
            await handle(self.store, row["stream"], c.ObserveRepository(seen.full_name), "github")
        if behind:
            log.warning("a repository has a new name", now=seen.full_name, enrolled=enrolled, issues=len(behind))
        return seen
