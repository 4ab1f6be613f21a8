"""Serves all claimers that wait together: what they hold already, else the best offer, in two round trips.

Offers are read without the lock, some for the next rounds too, and written under it, where it is seen whether they
still hold; who comes too late asks again. What one round gives away is left alone by the next one, which is chosen
while the first is written.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conductor.events import Event
from conductor.issues.commands import Assign
from conductor.issues.decide import decided
from conductor.issues.issue import Holder, Issue, in_work
from conductor.issues.react import react
from conductor.store.batch import Batch
from conductor.store.offers import SQL, Look, Profile, Rules, Seen, Work, look
from conductor.store.records import Append, Claimed, ClaimRequest, encode, rows_of
from servers.kit.database import Connection
from servers.kit.errors import Refused

Outcome = Claimed | Refused | None
DEEPER = 8  # so many times more offers are read where those that were read suit nobody who is left
AHEAD = 4  # so many times as many offers are read as are asked for; the next rounds deal the rest
FRESH_SECONDS = 0.01


@dataclass
class Hand:
    """Offers that were read and not given away, and how many of each repository's issues were."""

    seen: Seen = field(default_factory=Seen)
    fresh_until: float = 0
    taken: Counter[int] = field(default_factory=Counter[int])

    def offers(self, profile: Profile, request: ClaimRequest) -> list[Work]:
        """What there is for `request`, if it was asked about and is not over."""
        asked = (profile, request.agent) in self.seen.asked and time.monotonic() < self.fresh_until
        return self.seen.offers[profile] if asked else []


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
        self._hand = Hand()
        self._changes = 0
        self._late: set[tuple[str, str]] = set()
        self._choosing = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether offers are being given away, which may yet come back."""
        return bool(self._leaving)

    def look_again(self) -> None:
        """Forget the offers that were read, for there are others now."""
        self._hand = Hand()
        self._changes += 1

    async def serve(self, connection: Connection, requests: Sequence[ClaimRequest], now: datetime) -> Round:
        """One round: chosen and written."""
        rules = self._rules()
        dealt = Round(rules.open_issues, now, self._leaving)
        try:
            async with self._choosing:
                changes = self._changes
                hand = await dealt.choose(connection, requests, rules, self._hand, self._late)
                self._hand = hand if changes == self._changes else Hand()
            await dealt.write(connection, self._lease_seconds)
        finally:
            self._leaving -= dealt.given
        self._note(dealt, requests)
        return dealt

    def _note(self, dealt: Round, requests: Sequence[ClaimRequest]) -> None:
        """Who came too late, or holds something, has to be looked for."""
        late = {_process(requests[place]) for place in dealt.tried - dealt.outcomes.keys()}
        if late:
            self.look_again()
        self._late = self._late.difference(map(_process, requests)) | late


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

    @property
    def tried(self) -> set[int]:
        """Who was to get something."""
        return self.gifts.keys() | self.moved.keys()

    async def choose(
        self,
        connection: Connection,
        requests: Sequence[ClaimRequest],
        rules: Rules,
        hand: Hand,
        late: Collection[tuple[str, str]],
    ) -> Hand:
        """Decide what each request gets, reading further where somebody is left for whom there may be more.

        Returns:
            What the next round may deal.
        """
        asking = {
            place: (profile, request)
            for place, (profile, request) in _once(requests).items()
            if _process(request) in late or not self._deal(place, request, hand.offers(profile, request), hand.taken)
        }
        far = Look(AHEAD * len(asking))
        while asking:
            far.skip, filled = list(self.leaving), len(far.full)
            fresh_until = time.monotonic() + FRESH_SECONDS
            hand = Hand(await look(connection, asking.values(), rules, far), fresh_until, self._taken.copy())
            left: dict[int, tuple[Profile, ClaimRequest]] = {}
            for place, (profile, request) in asking.items():
                held = hand.seen.held.get(_process(request))
                if held:
                    self._give(place, request, held)
                elif not self._deal(place, request, hand.seen.offers[profile], hand.taken, far.full):
                    left[place] = profile, request
            cut = {profile for profile, count in hand.seen.read.items() if count >= far.want}
            asking = {p: a for p, a in left.items() if a[0] in cut or len(far.full) > filled}
            if not far.skip:  # otherwise there may be some again
                self.outcomes |= dict.fromkeys(left.keys() - asking.keys())
            far.want *= DEEPER
        return hand

    def _deal(
        self, place: int, request: ClaimRequest, works: list[Work], taken: Counter[int], full: set[int] | None = None
    ) -> bool:
        """Give the best of `works` that `request` may have, and drop what nobody of its profile can.

        Args:
            full: Takes the repositories without room; None where `works` are of an earlier look, which did not see
                what the claimer holds: then only `gifts` are given, for they are looked at again under the lock.
        """
        n = 0
        while n < len(works):
            work = works[n]
            if work.room is not None and work.room <= taken[work.repository_id]:
                if full is not None:
                    full.add(work.repository_id)
                del works[n]
            elif work.stream in self.leaving:
                del works[n]
            elif request.agent in work.agents:
                del works[n]
                given = self._give(place, request, work, only_gifts=full is None)
                if given and work.room is not None:
                    taken[work.repository_id] += 1
                    self._taken[work.repository_id] += 1
                return given
            else:
                n += 1
        return False

    def _give(self, place: int, request: ClaimRequest, work: Work, only_gifts: bool = False) -> bool:
        """The issue goes into the hands of `request`, where the rules of its life allow it; whether it is settled."""
        issue = work.issue
        old = issue.holder
        if old and (old.agent, old.instance, old.boot) == (request.agent, request.instance, request.boot):
            self.outcomes[place] = Claimed(issue)
            return True
        ask = Assign(request.agent, request.role, request.instance, request.boot, request.run, request.kinds)
        try:
            events, after = decided(issue, ask)
        except Refused as refused:
            self.outcomes[place] = refused
            return True
        gift = old is None and len(events) == 1 and not react(events[0], after)
        if only_gifts and not gift:
            return False
        self.given.add(work.stream)
        self.leaving.add(work.stream)
        if gift and after.holder:
            self.gifts[place] = Claimed(after)
            self._rows.append(_row(work, events[0], issue, after, after.holder))
        else:
            append = Append(issue.stream, work.version, events, request.agent, self.now, issue, after, after.key)
            self.batch.add(append, rows_of(append))
            self.moved[place] = after
        return True

    async def write(self, connection: Connection, lease_seconds: float) -> None:
        """Write what was chosen; who comes too late has no outcome."""
        if self._rows:
            given = await connection.fetchval(SQL["claim"], self._rows, self.open_issues, self.now, lease_seconds)
            gifts = list(self.gifts.items())
            self.outcomes |= [gifts[n - 1] for n in given]
        if self.moved:
            await self.batch.write(connection, lease_seconds)
            chains = self.batch.chains
            held = {place: issue for place, issue in self.moved.items() if issue.holder}
            self.outcomes |= {p: Claimed(issue) for p, issue in held.items() if chains[issue.stream].written}


def _row(work: Work, event: Event, before: Issue, after: Issue, holder: Holder) -> tuple[Any, ...]:
    return (
        work.stream,
        work.version,
        work.repository_id,
        work.room is not None,
        in_work(after) and not in_work(before),
        event.type,
        encode(event).decode(),
        after.key,
        after.status,
        after.fence,
        holder.agent,
        holder.instance,
        holder.boot,
        holder.kind,
        holder.run,
        encode(after).decode(),
    )


def _once(requests: Sequence[ClaimRequest]) -> dict[int, tuple[Profile, ClaimRequest]]:
    """The first request of each process, by its place: what the others hold is known after this round."""
    first: dict[tuple[str, str], int] = {}
    for place, request in enumerate(requests):
        first.setdefault(_process(request), place)
    return {place: (Profile.of(requests[place]), requests[place]) for place in first.values()}


def _process(request: ClaimRequest) -> tuple[str, str]:
    return request.agent, request.instance
