"""What each character could do now and what it does: the launcher, KEDA and foreign runtimes are told alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from conductor.dispatch.demand import Wanted, takers
from conductor.events import Kind
from conductor.store.connection import connection_of
from conductor.store.writer import Store
from servers.kit.character import Character
from servers.kit.database import load_queries

SQL = load_queries(Path(__file__).with_name("outlook.sql"))


class Offer(NamedTuple):
    """An open assignment; a row of the query.

    Attributes:
        id: The same for as long as it is open, and in flight.
        priority: Its rank, 0 the most urgent.
        since: When it was offered, in microseconds of the epoch.
        room: How many more issues of its repository may be in work; None where it does not count.
    """

    id: str
    issue: str
    kind: Kind
    priority: int
    fence: int
    attempt: int
    since: int
    repository_id: int
    room: int | None
    stack: str
    excluded: list[str]
    only: str | None
    preferred: str | None
    avoided: list[str]


@dataclass
class Work:
    """What one character could do now, best first, and what it does."""

    open: list[Offer] = field(default_factory=list[Offer])
    in_flight: list[str] = field(default_factory=list[str])
    _of: Counter[int] = field(default_factory=Counter[int])

    def add(self, offer: Offer) -> None:
        """Add an offer unless its repository is full with what was added before."""
        if offer.room is not None:
            if self._of[offer.repository_id] >= offer.room:
                return
            self._of[offer.repository_id] += 1
        self.open.append(offer)


@dataclass
class Outlook:
    """All work at one position of the log, by character."""

    position: int
    paused: Collection[str]
    of: defaultdict[str, Work] = field(default_factory=lambda: defaultdict(Work))


async def outlook(store: Store, catalogue: Mapping[str, Character]) -> Outlook:
    """Read it, all of one moment.

    Raises:
        Unavailable: The database is away.
    """
    async with (
        connection_of(store.pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        position = await connection.fetchval(SQL["position"])
        offers = await connection.fetch(SQL["offers"], store.affinity, store.limits.open_issues)
        offers += await connection.fetch(SQL["chores"])
        claims = await connection.fetch(SQL["in_flight"])
        paused = {row[0] for row in await connection.fetch(SQL["paused_agents"])}
        limited = {row[0] for row in await connection.fetch(SQL["limited_providers"])}
    paused |= {one.name.lower() for one in catalogue.values() if limited.issuperset(one.providers)}
    look = Outlook(position or 0, paused)
    _share(look, [Offer(*offer) for offer in offers], catalogue)
    for agent, assignment in claims:
        look.of[agent].in_flight.append(assignment)
    return look


def _share(look: Outlook, offers: list[Offer], catalogue: Mapping[str, Character]) -> None:
    paused = {name for name in catalogue if name.lower() in look.paused}
    shares: dict[tuple[Any, ...], list[Work]] = {}
    for offer in offers:
        whom = (offer.kind, offer.stack, tuple(offer.excluded), offer.only, offer.preferred, tuple(offer.avoided))
        if whom not in shares:
            shares[whom] = [look.of[name] for name in takers(_wanted(offer), catalogue, paused)]
        for work in shares[whom]:
            work.add(offer)


def _wanted(offer: Offer) -> Wanted:
    excluded, avoided = frozenset(offer.excluded), frozenset(offer.avoided)
    return Wanted(offer.kind, offer.stack, excluded, offer.only, offer.preferred, avoided)
