"""Serves all claimers that wait together: what they hold already, else the best offer, in two round trips.

Offers are read without the lock and written under it, where it is seen whether they still hold; who comes too late
asks again. What one round gives away is left alone by the next one, which is chosen while the first is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conductor.events import Event
from conductor.issues.commands import Assign
from conductor.issues.decide import decided
from conductor.issues.issue import Issue, in_work
from conductor.issues.react import react
from conductor.store.batch import Batch
from conductor.store.offers import SQL, Look, Profile, Rules, Work, look
from conductor.store.records import Append, Claimed, ClaimRequest, encode, rows_of
from servers.kit.database import Connection
from servers.kit.errors import Refused

Outcome = Claimed | Refused | None
DEEPER = 8  # so many times more offers are read where those that were read suit nobody who is left


class Dealer:
    """Deals the offers out; several rounds may be under way, of which one chooses at a time.

    Args:
        rules: What offers are read by just now.
        lease_seconds: How long a claim holds without a heartbeat.
    """

    def __init__(self, rules: Callable[[], Rules], lease_seconds: float) -> None:
        self._rules = rules
        self._lease_seconds = lease_seconds
        self._leaving: set[str] = set()
        self._choosing = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether offers are being given away, which may yet come back."""
        return bool(self._leaving)

    async def serve(self, connection: Connection, requests: Sequence[ClaimRequest], now: datetime) -> Round:
        """One round: chosen and written."""
        rules = self._rules()
        dealt = Round(rules.open_issues, now, self._leaving)
        try:
            async with self._choosing:
                await dealt.choose(connection, requests, rules)
            await dealt.write(connection, self._lease_seconds)
        finally:
            self._leaving -= dealt.given
        return dealt


@dataclass
class Round:
    """What one round of claims gives, by the place of each request.

    Attributes:
        leaving: Streams that are being given away in this process; `given` are this round's.
        outcomes: What each request gets; those that are missing have to ask again after this round.
        gifts: Claims that are one event and nothing else, each with its row for the writer's function.
        batch: All other changes of hands, such as to the next process of an instance; `moved` says whose.
    """

    open_issues: int
    now: datetime
    leaving: set[str]
    given: set[str] = field(default_factory=set[str])
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    gifts: dict[int, Claimed] = field(default_factory=dict[int, Claimed])
    batch: Batch = field(default_factory=Batch)
    moved: dict[int, Issue] = field(default_factory=dict[int, Issue])
    _rows: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    _taken: Counter[int] = field(default_factory=Counter[int])

    async def choose(self, connection: Connection, requests: Sequence[ClaimRequest], rules: Rules) -> None:
        """Decide what each request gets, reading further where somebody is left for whom there may be more."""
        asking = _once(requests)
        far = Look(len(asking))
        while asking:
            far.skip, filled = list(self.leaving), len(far.full)
            seen = await look(connection, asking.values(), rules, far)
            left: dict[int, tuple[Profile, ClaimRequest]] = {}
            for place, (profile, request) in asking.items():
                held = seen.held.get((request.agent, request.instance))
                work = held or self._best(seen.offers[profile], request, far)
                if work:
                    self._give(place, request, work)
                else:
                    left[place] = profile, request
            cut = {profile for profile, count in seen.read.items() if count >= far.want}
            asking = {p: a for p, a in left.items() if a[0] in cut or len(far.full) > filled}
            if not far.skip:  # otherwise there may be some again
                self.outcomes |= dict.fromkeys(left.keys() - asking.keys())
            far.want *= DEEPER

    def _best(self, works: list[Work], request: ClaimRequest, far: Look) -> Work | None:
        """Take the best offer for `request` out of `works`, and out of them what nobody of this profile can have."""
        n = 0
        while n < len(works):
            work = works[n]
            if work.room is not None and work.room <= self._taken[work.repository_id]:
                far.full.add(work.repository_id)
                del works[n]
            elif work.stream in self.leaving:
                del works[n]
            elif request.agent in work.agents:
                self._taken[work.repository_id] += work.room is not None
                return works.pop(n)
            else:
                n += 1
        return None

    def _give(self, place: int, request: ClaimRequest, work: Work) -> None:
        """The issue goes into the hands of `request`, where the rules of its life allow it."""
        issue = work.issue
        old = issue.holder
        if old and (old.agent, old.instance, old.boot) == (request.agent, request.instance, request.boot):
            self.outcomes[place] = Claimed(issue)
            return
        ask = Assign(request.agent, request.role, request.instance, request.boot, request.run, request.kinds)
        try:
            events, after = decided(issue, ask)
        except Refused as refused:
            self.outcomes[place] = refused
            return
        self.given.add(work.stream)
        self.leaving.add(work.stream)
        if old is None and after.holder and len(events) == 1 and not react(events[0], after):
            self.gifts[place] = Claimed(after)
            self._rows.append(self._row(work, events[0], after))
        else:
            append = Append(issue.stream, work.version, events, request.agent, self.now, issue, after, after.key)
            self.batch.add(append, rows_of(append))
            self.moved[place] = after

    def _row(self, work: Work, event: Event, after: Issue) -> tuple[Any, ...]:
        room = None if work.room is None else self.open_issues - self._taken[work.repository_id] + 1
        state = encode(after).decode()
        return work.stream, work.version, room, in_work(after), event.type, encode(event).decode(), state

    async def write(self, connection: Connection, lease_seconds: float) -> None:
        """Write what was chosen; who comes too late has no outcome."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            written = await connection.fetchval(SQL["claim"], *columns, self.now, lease_seconds)
            gifts = zip(self.gifts.items(), written, strict=True)
            self.outcomes |= {place: claimed for (place, claimed), done in gifts if done}
        if self.moved:
            await self.batch.write(connection, lease_seconds)
            chains = self.batch.chains
            held = {place: issue for place, issue in self.moved.items() if issue.holder}
            self.outcomes |= {p: Claimed(issue) for p, issue in held.items() if chains[issue.stream].written}


def _once(requests: Sequence[ClaimRequest]) -> dict[int, tuple[Profile, ClaimRequest]]:
    """The first request of each process, by its place: what the others hold is known after this round."""
    first: dict[tuple[str, str], int] = {}
    for place, request in enumerate(requests):
        first.setdefault((request.agent, request.instance), place)
    return {place: (Profile.of(requests[place]), requests[place]) for place in first.values()}
