"""The event store: one writer a process commits everything that waits together, appends and claims alike."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec

from conductor.commands import Assign
from conductor.decide import decide
from conductor.evolve import fold
from conductor.issue import Issue
from conductor.records import (
    Answer,
    Append,
    Appended,
    Claimed,
    ClaimRequest,
    Recorded,
    claim_row,
    effect_rows,
    event_rows,
    issue_row,
)
from servers.kit.clock import Clock, SystemClock
from servers.kit.database import LOST, Connection, Pool, load_queries
from servers.kit.errors import Conflict, InvalidInput, Refused, RigError, Unavailable
from servers.kit.wake import Wake

SQL = load_queries(Path(__file__).with_name("store.sql"))
EVENTS, ASSIGNMENTS, EFFECTS = "events", "assignments", "effects"


Ask = TypeVar("Ask")
Reply = TypeVar("Reply")


@dataclass
class _Waiting(Generic[Ask, Reply]):
    ask: Ask
    reply: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass
class _Batch:
    """What one transaction writes."""

    last: int
    versions: dict[str, int]
    lease_seconds: float
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    issues: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    claims: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    effects: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answers: list[Answer] = field(default_factory=list[Answer])

    def add(self, append: Append) -> Appended:
        """Place an append at the end of its stream.

        Raises:
            Conflict: The stream is not at the version the append expects.
        """
        version = self.versions.get(append.stream, 0)
        if append.expected not in (None, version):
            raise Conflict(f"{append.stream} is at version {version}, not {append.expected}. Read it again.")
        self.events += event_rows(append, version)
        end = version + len(append.events)
        if append.after is not None:
            self.issues[append.stream] = issue_row(append.after, end)
            self.effects += effect_rows(append, version)
            if row := claim_row(append, self.lease_seconds):
                self.claims[append.stream] = row
        if append.answer:
            self.answers.append(append.answer)
        self.versions[append.stream] = end
        return Appended(end, self.last + len(self.events))


class Store:
    """Appends and reads events.

    Args:
        lease_seconds: How long a claim holds without a heartbeat.
        affinity: How long work waits for the agent it prefers before others may take it.
    """

    def __init__(
        self,
        pool: Pool,
        wake: Wake,
        clock: Clock | None = None,
        lease_seconds: float = 90,
        affinity: timedelta = timedelta(minutes=10),
    ) -> None:
        self.pool = pool
        self.wake = wake
        self.clock = clock or SystemClock()
        self._lease_seconds = lease_seconds
        self._affinity = affinity
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    async def append(self, append: Append) -> Appended:
        """Write events durably, together with what is projected from them.

        Raises:
            Conflict: The stream moved on; read it again and decide anew.
            InvalidInput: The database cannot hold the event.
            Unavailable: The database cannot be reached; the events may or may not have been written.
        """
        waiting = _Waiting[Append, Appended](append)
        self._queue.put_nowait(waiting)
        return await waiting.reply

    async def claim(self, request: ClaimRequest) -> Claimed | None:
        """Give the best offered work to `request`, or what its instance holds already, or nothing."""
        waiting = _Waiting[ClaimRequest, "Claimed | None"](request)
        self._queue.put_nowait(waiting)
        return await waiting.reply

    async def load(self, stream: str) -> tuple[int, Issue]:
        """An issue's version and state; version 0 and an empty issue where the stream has no events."""
        async with connection_of(self.pool) as connection:
            row = await connection.fetchrow(SQL["load_issue"], stream)
        return (row["version"], msgspec.convert(row["data"], Issue)) if row else (0, Issue())

    async def read(self, stream: str) -> list[Recorded]:
        """One stream's events in order."""
        async with connection_of(self.pool) as connection:
            return [_recorded(row) for row in await connection.fetch(SQL["read_stream"], stream)]

    async def read_after(self, position: int, limit: int = 500) -> list[Recorded]:
        """The log after `position`, at most `limit` events; no event ever appears behind one that was read."""
        async with connection_of(self.pool) as connection:
            return [_recorded(row) for row in await connection.fetch(SQL["read_after"], position, limit)]

    async def run(self) -> None:
        """Commit batches for ever; whatever waits when a commit ends goes into the next."""
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            live = [item for item in batch if not item.reply.done()]
            if live:
                await self._commit_or_split(live)

    async def _commit_or_split(self, items: list[Any]) -> None:
        try:
            await self._commit(items)
        except (*LOST, TimeoutError) as error:
            _fail(items, Unavailable(f"The database broke off ({error}). Try again."))
        except asyncpg.PostgresError as error:
            if len(items) == 1:
                _fail(items, InvalidInput(f"The database refuses the event: {error}"))
                return
            for item in items:  # one bad event must not take the others with it
                await self._commit_or_split([item])

    async def _commit(self, items: list[Any]) -> None:
        appends: list[_Waiting[Append, Appended]] = [i for i in items if isinstance(i.ask, Append)]
        claimers: list[_Waiting[ClaimRequest, Claimed | None]] = [i for i in items if isinstance(i.ask, ClaimRequest)]
        results: list[tuple[Any, Any]] = []
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["lock"])
            batch = await self._heads(connection, [w.ask.stream for w in appends])
            results += [(w, _attempt(batch, w.ask)) for w in appends]
            if claimers:
                results += await self._serve_claims(connection, batch, claimers)
            await _write(connection, batch)
        await self._announce(batch)
        for waiting, result in results:
            _settle(waiting, result)

    async def _heads(self, connection: Connection, streams: Sequence[str]) -> _Batch:
        rows = await connection.fetch(SQL["heads"], [*dict.fromkeys(streams), ""])
        versions = {row["stream"]: row["version"] or 0 for row in rows}
        return _Batch(rows[0]["last"] or 0, versions, self._lease_seconds)

    async def _serve_claims(
        self, connection: Connection, batch: _Batch, claimers: list[_Waiting[ClaimRequest, Claimed | None]]
    ) -> list[tuple[Any, Any]]:
        results: list[tuple[Any, Any]] = []
        taken = set(batch.issues)  # their state in the database is older than the batch
        pending: list[_Waiting[ClaimRequest, Claimed | None]] = []
        held = await self._held(connection, [w.ask for w in claimers])
        for waiting in claimers:
            mine = held.pop((waiting.ask.agent, waiting.ask.instance), None)
            if mine is None:
                pending.append(waiting)
            elif mine[1].stream not in taken:
                taken.add(mine[1].stream)
                results.append((waiting, self._hand_out(batch, waiting.ask, *mine)))
            else:
                results.append((waiting, None))
        offers = await self._offers(connection, [w.ask for w in pending])
        for waiting in pending:
            free = (work for work in offers.get(_profile(waiting.ask), ()) if work[1].stream not in taken)
            work = next(free, None)
            if work:
                taken.add(work[1].stream)
            results.append((waiting, self._hand_out(batch, waiting.ask, *work) if work else None))
        return results

    def _hand_out(self, batch: _Batch, request: ClaimRequest, version: int, issue: Issue) -> Claimed | RigError:
        holder = issue.holder
        if holder and (holder.agent, holder.instance, holder.boot) == (request.agent, request.instance, request.boot):
            return Claimed(issue)
        ask = Assign(request.agent, request.role, request.instance, request.boot, request.run, request.kinds)
        try:
            events = decide(issue, ask)
        except Refused as refused:
            return refused
        after = fold(events, issue)
        batch.versions[issue.stream] = version
        append = Append(issue.stream, version, events, request.agent, self.clock.now(), issue, after)
        return Claimed(after, batch.add(append))

    async def _held(
        self, connection: Connection, requests: list[ClaimRequest]
    ) -> dict[tuple[str, str], tuple[int, Issue]]:
        agents, instances = [r.agent for r in requests], [r.instance for r in requests]
        rows = await connection.fetch(SQL["held"], agents, instances)
        return {(r["agent"], r["instance"]): (r["version"], msgspec.convert(r["data"], Issue)) for r in rows}

    async def _offers(
        self, connection: Connection, requests: list[ClaimRequest]
    ) -> dict[tuple[Any, ...], list[tuple[int, Issue]]]:
        wanted: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        for request in requests:
            wanted[_profile(request)] += 1
        if not wanted:
            return {}
        profiles = list(wanted)
        keys = ("agent", "role", "stacks", "kinds", "alone", "stream")
        asked = [
            dict(zip(keys, p, strict=True)) | {"profile": n, "want": len(requests)} for n, p in enumerate(profiles)
        ]
        found: defaultdict[tuple[Any, ...], list[tuple[int, Issue]]] = defaultdict(list)
        for row in await connection.fetch(SQL["candidates"], asked, self._affinity):
            found[profiles[row["profile"]]].append((row["version"], msgspec.convert(row["data"], Issue)))
        return found

    async def _announce(self, batch: _Batch) -> None:
        topics = [EVENTS] if batch.events else []
        topics += [ASSIGNMENTS] if any(row["offer_kind"] for row in batch.issues.values()) else []
        topics += [EFFECTS] if batch.effects else []
        await self.wake.publish(*topics)


def _profile(request: ClaimRequest) -> tuple[Any, ...]:
    return (request.agent, request.role, request.stacks, request.kinds, request.alone, request.stream)


def _attempt(batch: _Batch, append: Append) -> Appended | Conflict:
    try:
        return batch.add(append)
    except Conflict as conflict:
        return conflict


async def _write(connection: Connection, batch: _Batch) -> None:
    if batch.events:
        await connection.execute(SQL["write_events"], batch.last, batch.events)
    writes: dict[str, list[Any]] = {
        "write_issues": list(batch.issues.values()),
        "write_claims": list(batch.claims.values()),
        "write_effects": batch.effects,
        "write_answers": batch.answers,
    }
    for query, rows in writes.items():
        if rows:
            await connection.execute(SQL[query], rows)


def _settle(waiting: _Waiting[Any, Any], result: Any) -> None:
    if waiting.reply.done():
        return
    if isinstance(result, BaseException):
        waiting.reply.set_exception(result)
    else:
        waiting.reply.set_result(result)


def _fail(items: list[Any], error: RigError) -> None:
    for item in items:
        _settle(item, error)


def _recorded(row: asyncpg.Record) -> Recorded:
    return Recorded(**dict(row.items()))


@asynccontextmanager
async def connection_of(pool: Pool) -> AsyncGenerator[Connection]:
    """A pooled connection; a database that is away is Unavailable."""
    try:
        async with pool.acquire() as connection:
            yield connection
    except LOST as error:
        raise Unavailable(f"The database cannot be reached ({error}). Try again.") from error
