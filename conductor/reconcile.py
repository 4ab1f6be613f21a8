"""Reads GitHub again at intervals and repairs whatever was missed; the rig's only source where no webhook comes."""

from __future__ import annotations

from conductor.issue import READY_LABEL
from conductor.sight import SQL, Sights
from conductor.store import connection_of
from conductor.translate import IssueSeen, PullSeen, Sighting
from servers.kit.errors import RigError
from servers.kit.logs import get

log = get(__name__)


class Reconciler:
    """Looks at every ready issue, and at every issue and pull request that the rig is busy with.

    Args:
        interval_seconds: 300 beside webhooks; shorter where the rig only polls.
    """

    def __init__(self, sights: Sights, interval_seconds: float = 300) -> None:
        self.sights = sights
        self._interval = interval_seconds

    async def run(self) -> None:
        """Reconcile at once and then at intervals, for ever."""
        while True:
            await self.once()
            await self.sights.store.clock.sleep(self._interval)

    async def once(self) -> int:
        """Reconcile every enrolled repository; how many things were looked at."""
        looked = 0
        for repository in self.sights.repositories.values():
            try:
                sightings = await self._sightings(repository)
            except RigError as error:
                log.warning("could not reconcile", repository=repository, error=str(error))
                continue
            looked += sum([await self._follow(sighting) for sighting in sightings])
        return looked

    async def _follow(self, sighting: Sighting) -> bool:
        """Look; one thing that cannot be looked at must not hide the others."""
        try:
            await self.sights.follow(sighting)
        except RigError as error:
            log.warning("could not reconcile", sighting=sighting, error=str(error))
            return False
        except Exception:
            log.exception("reconciling failed", sighting=sighting)
            return False
        return True

    async def _sightings(self, repository: str) -> list[Sighting]:
        async with connection_of(self.sights.store.pool) as connection:
            active = await connection.fetch(SQL["active"], repository)
        ready = await self.sights.github.ready_issues(repository, READY_LABEL)
        numbers = dict.fromkeys([*ready, *(row["number"] for row in active)])
        pulls = [row["pull_number"] for row in active if row["pull_number"]]
        return [*(IssueSeen(repository, n) for n in numbers), *(PullSeen(repository, n) for n in pulls)]
