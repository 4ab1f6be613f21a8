"""Serves all claimers that wait together, under the writer's lock: what they hold already, else the best offer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, get_args

import msgspec

from conductor.issues.commands import Assign
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue, OfferRole
from conductor.store.batch import SQL, Batch
from conductor.store.records import Append, Claimed, ClaimRequest, rows_of
from servers.kit.database import Connection
from servers.kit.errors import Refused

Outcome = Claimed | Refused | None
_issue = msgspec.json.Decoder(Issue).decode  # from text, for by way of a dict it takes six times as long
ROLES: tuple[str, ...] = get_args(OfferRole)
DEEPER = 8  # so many times more offers are read where those that were read suit nobody who is left


class Profile(NamedTuple):
    """Claimers who may be given the same work, but for who they are."""

    roles: tuple[str, ...]
    stacks: tuple[str, ...]
    kinds: tuple[str, ...]
    stream: str | None
    capped: bool

    @classmethod
    def of(cls, request: ClaimRequest) -> Profile:
        """A person may do any role's work, and takes more of a repository's issues than agents may."""
        person = request.role == "person"
        return cls(ROLES if person else (request.role,), request.stacks, request.kinds, request.stream, not person)


@dataclass
class Work:
    """An issue that could be handed out.

    Attributes:
        agents: Who may have it, of those who asked.
        room: How many more of its repository's issues may be in work; None where it does not count.
    """

    issue: Issue
    version: int
    agents: list[str]
    room: int | None


@dataclass
class Look:
    """How far the offers were read.

    Attributes:
        want: At most so many for each profile.
        full: Repositories that this round has filled.
    """

    want: int
    full: set[int] = field(default_factory=set[int])


class Handout:
    """One round of claims.

    Args:
        affinity: How long work waits for the agent it prefers before others may take it.
        open_issues: How many issues of a repository may be in work at once.
    """

    def __init__(
        self, connection: Connection, batch: Batch, now: datetime, affinity: timedelta, open_issues: int
    ) -> None:
        self._connection = connection
        self._batch = batch
        self._now = now
        self._affinity = affinity
        self._open_issues = open_issues
        self._taken: dict[int, int] = {}

    async def serve(self, requests: Sequence[ClaimRequest]) -> dict[int, Outcome]:
        """What each request gets, by its place; those that are missing have to ask again after this batch."""
        outcomes: dict[int, Outcome] = {}
        held = await self._held(requests)
        wanting: dict[int, ClaimRequest] = {}
        asked: set[tuple[str, str]] = set()
        for place, request in enumerate(requests):
            name = (request.agent, request.instance)
            if name in asked:
                continue  # what it holds is known after this batch
            asked.add(name)
            mine = held.get(name)
            if mine is None:
                wanting[place] = request
            elif mine[1].stream in self._batch.chains:
                continue  # what the database says of it is older than this batch
            elif (outcome := self._hand_out(request, *mine)) is not None:
                outcomes[place] = outcome
            else:
                wanting[place] = request
        return outcomes | await self._offer(wanting)

    async def _held(self, requests: Sequence[ClaimRequest]) -> dict[tuple[str, str], tuple[int, Issue]]:
        agents, instances = [r.agent for r in requests], [r.instance for r in requests]
        rows = await self._connection.fetch(SQL["held"], agents, instances)
        return {(r["agent"], r["instance"]): (r["version"], _issue(r["data"])) for r in rows}

    async def _offer(self, wanting: dict[int, ClaimRequest]) -> dict[int, Outcome]:
        """Deal the offers out, and read further where somebody is left for whom there may be more."""
        outcomes: dict[int, Outcome] = {}
        look = Look(len(wanting) + len(self._batch.chains))
        while wanting:
            offers = await candidates(self._connection, wanting.values(), self._affinity, self._open_issues, look)
            filled = len(look.full)
            outcomes |= self._deal(wanting, offers, look)
            cut = {profile for profile, works in offers.items() if len(works) >= look.want}
            wanting = {
                place: request
                for place, request in wanting.items()
                if outcomes[place] is None and (Profile.of(request) in cut or len(look.full) > filled)
            }
            look.want *= DEEPER
        return outcomes

    def _deal(
        self, wanting: dict[int, ClaimRequest], offers: dict[Profile, list[Work]], look: Look
    ) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        for place, request in wanting.items():
            works = offers.get(Profile.of(request), [])
            work = next((w for w in works if request.agent in w.agents and self._free(w, look)), None)
            outcomes[place] = self._hand_out(request, work.version, work.issue) if work else None
            if work and work.room is not None:
                repository = work.issue.repository_id
                self._taken[repository] = self._taken.get(repository, 0) + 1
        return outcomes

    def _free(self, work: Work, look: Look) -> bool:
        repository = work.issue.repository_id
        if work.room is not None and work.room <= self._taken.get(repository, 0):
            look.full.add(repository)
            return False
        return work.issue.stream not in self._batch.chains

    def _hand_out(self, request: ClaimRequest, version: int, issue: Issue) -> Outcome:
        """The issue in the hands of `request`; None where its old claim on it just ended."""
        holder = issue.holder
        if holder and (holder.agent, holder.instance, holder.boot) == (request.agent, request.instance, request.boot):
            return Claimed(issue)
        ask = Assign(request.agent, request.role, request.instance, request.boot, request.run, request.kinds)
        try:
            events = decide(issue, ask)
        except Refused as refused:
            return refused
        after = fold(events, issue)
        append = Append(issue.stream, version, events, request.agent, self._now, issue, after, after.key)
        self._batch.add(append, rows_of(append))
        return Claimed(after) if after.holder else None


async def candidates(
    connection: Connection,
    requests: Iterable[ClaimRequest],
    affinity: timedelta,
    open_issues: int,
    look: Look,
) -> dict[Profile, list[Work]]:
    """The best offers for each profile of claimers, as far as `look` goes."""
    agents: dict[Profile, dict[str, bool]] = {}
    for request in requests:
        agents.setdefault(Profile.of(request), {})[request.agent] = request.alone
    asked = [
        profile._asdict() | {"profile": n, "agents": list(who), "alone": list(who.values())}
        for n, (profile, who) in enumerate(agents.items())
    ]
    found: dict[Profile, list[Work]] = {profile: [] for profile in agents}
    profiles = list(agents)
    for row in await connection.fetch(SQL["candidates"], asked, affinity, open_issues, list(look.full), look.want):
        found[profiles[row["profile"]]].append(Work(_issue(row["data"]), row["version"], row["agents"], row["room"]))
    return found


async def offered(
    connection: Connection, request: ClaimRequest, affinity: timedelta, open_issues: int, want: int
) -> list[Issue]:
    """What `request` could be given right now, best first and at most `want`; nothing is given."""
    found = await candidates(connection, [request], affinity, open_issues, Look(want))
    return [work.issue for work in found[Profile.of(request)]][:want]
