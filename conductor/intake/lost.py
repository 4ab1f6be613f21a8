"""Webhook deliveries that never arrived, which GitHub does not repeat by itself, are asked for again."""

from __future__ import annotations

from datetime import datetime, timedelta

from conductor.github import GitHub, SeenDelivery
from conductor.intake.sight import SQL
from conductor.store.writer import Store, connection_of
from servers.kit.errors import Forbidden, NotFound, RigError, Unavailable
from servers.kit.logs import get

BACK = timedelta(days=1)
OVERLAP = timedelta(minutes=10)
AT_ONCE = 50
log = get(__name__)


class LostDeliveries:
    """Asks GitHub for what it could not deliver, each at most once an hour, whichever process asks."""

    def __init__(self, store: Store, github: GitHub) -> None:
        self.store = store
        self.github = github
        self._since: dict[str, datetime] = {}
        self._told: set[str] = set()

    async def ask(self, repository: str) -> int:
        """Have what failed since the last time delivered again; how many were asked for.

        A credential that may not see deliveries is said once; the reconciler makes up for them anyway.
        """
        began = self.store.clock.now()
        try:
            failed = await self.github.failed_deliveries(repository, self._since.get(repository, began - BACK))
        except (Forbidden, NotFound) as error:
            if repository not in self._told:
                log.info("lost deliveries cannot be seen", repository=repository, error=str(error))
                self._told.add(repository)
            return 0
        due = await self._due([delivery.guid for delivery in failed])
        asked = sum([await self._again(repository, one) for one in failed if one.guid in due])
        if len(due) < AT_ONCE:
            self._since[repository] = began - OVERLAP
        return asked

    async def _due(self, guids: list[str]) -> set[str]:
        """Those of which nothing is stored and that nobody asked for within the hour; noted as asked for now."""
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["ask_again"], guids, AT_ONCE)
        return {row["guid"] for row in rows}

    async def _again(self, repository: str, delivery: SeenDelivery) -> bool:
        try:
            await self.github.redeliver(repository, delivery)
        except Unavailable:
            raise
        except RigError as error:
            log.warning("a delivery cannot be had again", repository=repository, guid=delivery.guid, error=str(error))
            return False
        log.info("asked for a lost delivery", repository=repository, guid=delivery.guid, about=delivery.event)
        return True
