"""Reads the offered work: for everybody who asks at once, best first, and what they hold already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from conductor.issues.issue import Issue, OfferRole
from conductor.store.records import ClaimRequest
from servers.kit.database import Connection, load_queries

SQL = load_queries(Path(__file__).with_name("handout.sql"))
# An issue that is asked for by its name is found by its key, however many wait.
LOOK_AT_ONE = SQL["look"].replace(
    "FROM offers AS o", "FROM (SELECT * FROM offers WHERE stream = p.stream OFFSET 0) AS o"
)
ROLES: tuple[str, ...] = get_args(OfferRole)
_issue = msgspec.json.Decoder(Issue).decode  # from text, for by way of a dict it takes six times as long


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


@dataclass(slots=True)
class Work:
    """An issue that could be handed out.

    Attributes:
        agents: Who may have it, of those who asked.
        room: How many more of its repository's issues may be in work; None where it does not count.
    """

    stream: str
    repository_id: int
    version: int
    data: str
    agents: list[str]
    room: int | None

    @property
    def issue(self) -> Issue:
        """The folded state, decoded anew each time."""
        return _issue(self.data)


@dataclass(frozen=True)
class Rules:
    """What offers are read by.

    Attributes:
        affinity: How long work waits for the agent it prefers before others may take it.
        open_issues: How many issues of a repository may be in work at once.
    """

    affinity: timedelta
    open_issues: int


@dataclass
class Look:
    """How far the offers are read.

    Attributes:
        want: At most so many for each profile.
        skip: Streams that are being given away.
        full: Repositories that take no new issue.
    """

    want: int
    skip: Sequence[str] = ()
    full: set[int] = field(default_factory=set[int])


@dataclass
class Seen:
    """What a look saw: the best offers for each profile, how many those are, and what each agent's instance holds.

    Attributes:
        asked: Whom the offers are for.
    """

    asked: set[tuple[Profile, str]] = field(default_factory=set[tuple[Profile, str]])
    offers: dict[Profile, list[Work]] = field(default_factory=dict[Profile, list[Work]])
    read: Counter[Profile] = field(default_factory=Counter[Profile])
    held: dict[tuple[str, str], Work] = field(default_factory=dict[tuple[str, str], Work])


async def look(
    connection: Connection, requests: Iterable[tuple[Profile, ClaimRequest]], rules: Rules, far: Look
) -> Seen:
    """What there is for `requests`, as far as the look goes; by name and by rank are read apart."""
    named: list[tuple[Profile, ClaimRequest]] = []
    others: list[tuple[Profile, ClaimRequest]] = []
    for asking in requests:
        (named if asking[0].stream else others).append(asking)
    seen = Seen()
    for query, some in ((SQL["look"], others), (LOOK_AT_ONE, named)):
        if some:
            await _look(connection, query, some, rules, far, seen)
    return seen


async def _look(
    connection: Connection,
    query: str,
    requests: list[tuple[Profile, ClaimRequest]],
    rules: Rules,
    far: Look,
    seen: Seen,
) -> None:
    agents: dict[Profile, dict[str, tuple[bool, str]]] = {}
    for profile, request in requests:
        agents.setdefault(profile, {})[request.agent] = request.alone, " ".join(request.providers)
    seen.asked |= {(profile, agent) for profile, who in agents.items() for agent in who}
    asked = [_asked(n, profile, who) for n, (profile, who) in enumerate(agents.items())]
    profiles = list(agents)
    seen.offers |= {profile: [] for profile in profiles}
    names, instances = [r.agent for _, r in requests], [r.instance for _, r in requests]
    rows = await connection.fetch(
        query, asked, rules.affinity, rules.open_issues, list(far.full), names, instances, far.skip, far.want
    )
    for number, stream, repository_id, version, data, who, room, *_ in rows:
        work = Work(stream, repository_id, version, data, who, room)
        if number is None:
            seen.held[who[0], who[1]] = work
        else:
            seen.offers[profiles[number]].append(work)
    seen.read.update({profile: len(seen.offers[profile]) for profile in profiles})


def _asked(number: int, profile: Profile, agents: dict[str, tuple[bool, str]]) -> dict[str, Any]:
    alone, providers = zip(*agents.values(), strict=True)
    return profile._asdict() | {"profile": number, "agents": list(agents), "alone": alone, "providers": providers}


async def offered(connection: Connection, request: ClaimRequest, rules: Rules, want: int) -> list[Issue]:
    """What `request` could be given right now, best first and at most `want`; nothing is given."""
    profile = Profile.of(request)
    async with connection.transaction():
        await connection.execute(SQL["in_order"])
        seen = await look(connection, [(profile, request)], rules, Look(want))
    return [work.issue for work in seen.offers[profile]][:want]
