"""Serves all claimers that wait together, under the writer's lock: what they hold already, else the best offer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from conductor.batch import SQL, Batch
from conductor.commands import Assign
from conductor.decide import decide
from conductor.evolve import fold
from conductor.issue import Issue
from conductor.records import Append, Claimed, ClaimRequest
from servers.kit.database import Connection
from servers.kit.errors import Refused

Outcome = Claimed | Refused | None
Work = tuple[int, Issue]


class Handout:
    """One round of claims.

    Args:
        affinity: How long work waits for the agent it prefers before others may take it.
    """

    def __init__(self, connection: Connection, batch: Batch, now: datetime, affinity: timedelta) -> None:
        self._connection = connection
        self._batch = batch
        self._now = now
        self._affinity = affinity

    async def serve(self, requests: Sequence[ClaimRequest]) -> dict[int, Outcome]:
        """What each request gets, by its place; those that are missing have to ask again after this batch."""
        outcomes: dict[int, Outcome] = {}
        held = await self._held(requests)
        wanting: dict[int, ClaimRequest] = {}
        for place, request in enumerate(requests):
            mine = held.pop((request.agent, request.instance), None)
            if mine is None:
                wanting[place] = request
            elif mine[1].stream in self._batch.issues:
                continue  # what the database says of it is older than this batch
            elif (outcome := self._hand_out(request, *mine)) is not None:
                outcomes[place] = outcome
            else:
                wanting[place] = request
        return outcomes | await self._offer(wanting)

    async def _offer(self, wanting: dict[int, ClaimRequest]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        offers = await self._offers(wanting)
        for place, request in wanting.items():
            free = (work for work in offers[_profile(request)] if work[1].stream not in self._batch.issues)
            work = next(free, None)
            outcomes[place] = self._hand_out(request, *work) if work else None
        return outcomes

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
        self._batch.versions[issue.stream] = version
        append = Append(issue.stream, version, events, request.agent, self._now, issue, after, after.key)
        appended = self._batch.add(append)
        return Claimed(after, appended) if after.holder else None

    async def _held(self, requests: Sequence[ClaimRequest]) -> dict[tuple[str, str], Work]:
        agents, instances = [r.agent for r in requests], [r.instance for r in requests]
        rows = await self._connection.fetch(SQL["held"], agents, instances)
        return {(r["agent"], r["instance"]): _work(r) for r in rows}

    async def _offers(self, wanting: dict[int, ClaimRequest]) -> defaultdict[tuple[Any, ...], list[Work]]:
        found: defaultdict[tuple[Any, ...], list[Work]] = defaultdict(list)
        profiles = list(Counter(map(_profile, wanting.values())))
        if not profiles:
            return found
        want = len(wanting) + len(self._batch.issues)  # so many may be taken before the last one chooses
        for row in await _candidates(self._connection, profiles, want, self._affinity):
            found[profiles[row["profile"]]].append(_work(row))
        return found


async def offered(connection: Connection, request: ClaimRequest, affinity: timedelta, want: int) -> list[Issue]:
    """What `request` could be given right now, best first and at most `want`; nothing is given."""
    rows = await _candidates(connection, [_profile(request)], want, affinity)
    return [_work(row)[1] for row in rows]


async def _candidates(
    connection: Connection, profiles: list[tuple[Any, ...]], want: int, affinity: timedelta
) -> list[Any]:
    keys = ("agent", "role", "stacks", "kinds", "alone", "stream")
    asked = [dict(zip(keys, p, strict=True)) | {"profile": n, "want": want} for n, p in enumerate(profiles)]
    return await connection.fetch(SQL["candidates"], asked, affinity)


def _work(row: Any) -> Work:
    return row["version"], msgspec.convert(row["data"], Issue)


def _profile(request: ClaimRequest) -> tuple[Any, ...]:
    return (request.agent, request.role, request.stacks, request.kinds, request.alone, request.stream)
