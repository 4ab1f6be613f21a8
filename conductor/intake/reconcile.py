"""Reads GitHub again at intervals and repairs whatever was missed; the rig's only source where no webhook comes."""

from __future__ import annotations

import asyncio
from typing import Any

from conductor.intake.lost import LostDeliveries
from conductor.intake.sight import RECONCILE, SQL, Sights
from conductor.intake.translate import DeploymentSeen, IssueSeen, PullSeen, Sighting
from conductor.issues.issue import READY_LABEL
from conductor.store.health import problems
from conductor.store.writer import connection_of
from servers.kit.errors import NotFound, RigError
from servers.kit.logs import get

AT_ONCE = 4
log = get(__name__)


class Reconciler:
    """Looks at every ready issue, and at every issue, pull request and deployment that the rig is busy with.

    Args:
        interval_seconds: 300 beside webhooks; shorter where the rig only polls.
    """

    def __init__(self, sights: Sights, interval_seconds: float = 300) -> None:
        self.sights = sights
        self._store = sights.store
        self._interval = interval_seconds
        self._lost = LostDeliveries(sights.store, sights.github)
        self._gone: set[str] = set()
        self._looking = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Reconcile at once, then at intervals and whenever a repository changed as a whole, for ever."""
        while True:
            seen = self._store.wake.count(RECONCILE)
            looked = await self.once()
            log.info("reconciled", looked=looked, repositories=len(self.sights.enrolment.names))
            await self._store.wake.wait(RECONCILE, self._interval, seen)

    async def once(self) -> int:
        """Reconcile every enrolled repository and check the log; how many things were looked at."""
        looked = 0
        for enrolled in self.sights.enrolment.names:
            try:
                looked += await self._reconcile(enrolled)
                await self.sights.enrolment.reconciled(enrolled)
            except RigError as error:
                self._warn(enrolled, error)
            except Exception:
                log.exception("reconciling failed", repository=enrolled)
            else:
                self._gone.discard(enrolled)
        await self._check()
        return looked

    def _warn(self, enrolled: str, error: RigError) -> None:
        """A repository that is gone is said once, whatever else as often as it happens."""
        if isinstance(error, NotFound):
            if enrolled in self._gone:
                return
            self._gone.add(enrolled)
        log.warning("could not reconcile", repository=enrolled, error=str(error))

    async def _reconcile(self, enrolled: str) -> int:
        repository = (await self.sights.enrolment.look(enrolled)).full_name
        await self._lost.ask(repository)
        sightings = await self._sightings(repository)
        return sum(await asyncio.gather(*(self._follow(sighting) for sighting in sightings)))

    async def _follow(self, sighting: Sighting) -> bool:
        """Look; one thing that cannot be looked at must not hide the others."""
        async with self._looking:
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
        async with connection_of(self._store.pool) as connection:
            active = await connection.fetch(SQL["active"], repository)
        ready = await self.sights.github.ready_issues(repository, READY_LABEL)
        numbers = dict.fromkeys([*ready, *(row["number"] for row in active)])
        merged = [row["merged"] for row in active if row["merged"]]
        return [
            *(IssueSeen(repository, number) for number in numbers),
            *(PullSeen(repository, number) for number in await self._pulls(repository, active)),
            *(DeploymentSeen(repository, sha) for sha in merged[:1]),  # one look is at all that wait
        ]

    async def _pulls(self, repository: str, active: list[Any]) -> list[int]:
        """Known pull requests, and open ones from the branches of issues whose own is not known yet."""
        known = [row["pull_number"] for row in active if row["pull_number"]]
        branches = {row["branch"] for row in active if row["branch"] and not row["pull_number"]}
        found = await self.sights.github.open_pulls(repository) if branches else {}
        return [*known, *(number for branch, number in found.items() if branch in branches)]

    async def _check(self) -> None:
        try:
            for problem in await problems(self._store.pool):
                log.error("the event store is not sound", problem=problem)
        except RigError as error:
            log.warning("could not check the event store", error=str(error))
