"""Critical work goes first: who holds lower work is told at a heartbeat to make room, and no more than needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.store.records import ClaimRequest
from conductor.store.writer import Store, connection_of
from servers.kit.database import load_queries
from servers.kit.errors import Fenced
from servers.kit.tools import Claim

SQL = load_queries(Path(__file__).with_name("interrupts.sql"))
LOOKED_AT = 20


@dataclass(frozen=True)
class Beat:
    """What a heartbeat is answered: how long the claim holds, and why its holder should give it back, if so."""

    until: datetime | None = None
    stop: str | None = None


@dataclass(frozen=True)
class Held:
    """A claim at its heartbeat.

    Attributes:
        stopping_for: The stream of the critical issue for which its holder was told to stop.
        overdue: Whether it was told too long ago.
    """

    claim: Claim
    stream: str
    stopping_for: str | None
    overdue: bool


class Interrupts:
    """Tells holders to make room.

    Args:
        patience: Seconds until a holder that was told and goes on is parked. For as long again nobody else is told
            for the same critical issue, for whoever made room has to come and take it.
    """

    def __init__(self, store: Store, patience: float) -> None:
        self.store = store
        self.patience = patience

    async def stop(self, held: Held, request: ClaimRequest) -> str | None:
        """Why the holder should stop, if critical work waits that it could do and nobody else makes room for.

        Raises:
            Fenced: It was told too long ago, and now the work is parked without it.
        """
        critical = await self._critical(held, request)
        if held.stopping_for in critical:
            return await self._again(held, critical[held.stopping_for])
        await self.go_on(held)
        for issue in critical.values():
            if await self._reserved(held, issue):
                return words(issue)
        return None

    async def go_on(self, held: Held) -> None:
        """Take back what the holder was told, for nothing critical waits for it any more."""
        if held.stopping_for is not None:
            async with connection_of(self.store.pool) as connection:
                await connection.execute(SQL["unmark"], held.stream, held.claim.fence)

    async def _critical(self, held: Held, request: ClaimRequest) -> dict[str, Issue]:
        """What the holder could take if it gave its work back, which may make room in a repository that is full."""
        offers = await self.store.offered(request, LOOKED_AT)
        if "review" not in request.kinds:
            full = await self.store.offered(request, LOOKED_AT, spare=1)
            offers += [issue for issue in full if _repository(issue.stream) == _repository(held.stream)]
        return {issue.stream: issue for issue in offers if issue.priority == "critical"}

    async def _reserved(self, held: Held, critical: Issue) -> bool:
        key = (held.stream, held.claim.fence)
        async with connection_of(self.store.pool) as connection, connection.transaction():
            mine = await connection.fetchval(SQL["reserve"], critical.stream, *key, 2 * self.patience)
            if mine is not None:
                await connection.execute(SQL["mark"], *key, critical.stream)
        return mine is not None

    async def _again(self, held: Held, critical: Issue) -> str:
        if not held.overdue:
            return words(critical)
        await handle(self.store, held.stream, c.Park(held.claim.fence, words(critical)), "conductor")
        raise Fenced(
            f"Your claim on {held.claim.issue} is over: it was parked, for critical {critical.key} goes first. "
            "Stop; do not write any more."
        )


def _repository(stream: str) -> str:
    return stream.rpartition("-")[0]


def words(critical: Issue) -> str:
    """What the holder of lower work is told."""
    return f"critical {critical.key} goes first; push what you have and give the work back"
