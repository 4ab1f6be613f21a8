"""The event store: one writer a process commits everything that waits together, appends and claims alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

import asyncpg

from conductor.issues.issue import Issue
from conductor.issues.limits import Limits
from conductor.store.batch import DEFINE, SQL, Batch, locked
from conductor.store.connection import AWAY, Kept, connection_of
from conductor.store.handout import Dealer
from conductor.store.loading import Loader
from conductor.store.offers import SQL as OFFERS
from conductor.store.offers import Rules, offered
from conductor.store.records import Append, Appended, Claimed, ClaimRequest, Recorded, Rows, rows_of
from servers.kit.clock import Clock, SystemClock
from servers.kit.database import Pool
from servers.kit.errors import Conflict, InvalidInput, RigError, Unavailable
from servers.kit.logs import get
from servers.kit.wake import Wake

EVENTS, ASSIGNMENTS, EFFECTS = "events", "assignments", "effects"
COMMIT_SECONDS = 30
AWAY_SECONDS = 0.5
ANNOUNCE_SECONDS = 0.02  # other processes hear at most so often, for each time costs the database a transaction
MOST = 500  # in one transaction
WRITERS = 2  # one prepares and settles while the database works for the other
LARGE = 16  # a batch worth halving
log = get(__name__)

Reply = TypeVar("Reply")


@dataclass
class _Waiting(Generic[Reply]):
    reply: asyncio.Future[Reply]


@dataclass
class _Appending(_Waiting[Appended]):
    append: Append
    rows: Rows


@dataclass
class _Claiming(_Waiting[Claimed | None]):
    request: ClaimRequest


class Store:
    """Appends and reads events.

    Args:
        lease_seconds: How long a claim holds without a heartbeat.
        affinity: How long work waits for the agent it prefers before others may take it.
        limits: Where the rig stops by itself.
    """

    def __init__(
        self,
        pool: Pool,
        wake: Wake,
        clock: Clock | None = None,
        lease_seconds: float = 90,
        affinity: timedelta = timedelta(minutes=10),
        limits: Limits | None = None,
    ) -> None:
        self.pool = pool
        self.wake = wake
        self.clock = clock or SystemClock()
        self._lease_seconds = lease_seconds
        self.affinity = affinity
        self.limits = limits or Limits()
        self._loader = Loader(pool)
        self._dealer = Dealer(self._rules, lease_seconds)
        self._behind: list[_Claiming] = []
        self._waiting: list[_Appending | _Claiming] = []
        self._arrived = asyncio.Event()
        self._idle = 0
        self._topics: set[str] = set()
        self._to_announce = asyncio.Event()

    async def append(self, append: Append) -> Appended:
        """Write events durably, together with what is projected from them.

        Raises:
            Conflict: The stream moved on; read it again and decide anew.
            InvalidInput: The database cannot hold the event.
            Unavailable: The database cannot be reached; the events may or may not have been written.
        """
        waiting = _Appending(asyncio.get_running_loop().create_future(), append, rows_of(append))
        self._enqueue(waiting)
        return await waiting.reply

    async def claim(self, request: ClaimRequest) -> Claimed | None:
        """Give the best offered work to `request`, or what its instance holds already, or nothing."""
        waiting = _Claiming(asyncio.get_running_loop().create_future(), request)
        self._enqueue(waiting)
        return await waiting.reply

    async def offered(self, request: ClaimRequest, want: int, spare: int = 0) -> list[Issue]:
        """What `request` could be given right now, best first and at most `want`; nothing is given.

        Args:
            spare: So many more issues of a repository may be in work as there are just leaving it.
        """
        async with connection_of(self.pool) as connection:
            return await offered(connection, request, self._rules(spare), want)

    def _rules(self, spare: int = 0) -> Rules:
        return Rules(self.affinity, self.limits.open_issues + spare)

    async def load(self, stream: str) -> tuple[int, Issue]:
        """An issue's version and state; version 0 and an empty issue where the stream has no events."""
        return await self._loader.load(stream)

    async def read(self, stream: str) -> list[Recorded]:
        """One stream's events in order."""
        async with connection_of(self.pool) as connection:
            return [_recorded(row) for row in await connection.fetch(SQL["read_stream"], stream)]

    async def read_after(self, position: int, limit: int = 500) -> list[Recorded]:
        """The log after `position`, at most `limit` events; no event ever appears behind one that was read."""
        async with connection_of(self.pool) as connection:
            return [_recorded(row) for row in await connection.fetch(SQL["read_after"], position, limit)]

    async def persist(self, query: str, *arguments: Any) -> None:
        """Execute `query`, again until the database is back: it notes what was done in the world already."""
        while True:
            try:
                async with connection_of(self.pool) as connection:
                    await connection.execute(query, *arguments)
            except Unavailable as error:
                log.warning("an outcome waits for the database", error=str(error))
                await self.clock.sleep(AWAY_SECONDS)
            else:
                return

    async def run(self) -> None:
        """Commit batches for ever; whatever waits when a commit ends goes into the next."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announcing())
            for _ in range(max(1, min(WRITERS, self.pool.get_max_size() - 1))):  # one is left to who reads
                group.create_task(self._writing(Kept(self.pool, f"{DEFINE};\n{OFFERS['define']}")))

    async def _writing(self, kept: Kept) -> None:
        try:
            while True:
                self._idle += 1
                while not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                self._idle -= 1
                if live := [waiting for waiting in self._take() if not waiting.reply.done()]:
                    await self._commit_or_split(kept, live)
        finally:
            await kept.drop()

    def _take(self) -> list[_Appending | _Claiming]:
        """The next batch, of appends or of claims.

        Half of a large one where another writer is free, which is sent while this one commits.
        """
        kind = type(self._waiting[0])
        alike = [waiting for waiting in self._waiting if type(waiting) is kind]
        size = min(len(alike) // 2 if self._idle and len(alike) > LARGE else len(alike), MOST)
        self._waiting = [waiting for waiting in self._waiting if type(waiting) is not kind] + alike[size:]
        return alike[:size]

    def _enqueue(self, waiting: _Appending | _Claiming) -> None:
        self._waiting.append(waiting)
        self._arrived.set()

    async def _commit_or_split(self, kept: Kept, items: list[_Appending | _Claiming]) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._commit(kept, items)
        except (*AWAY, Unavailable) as error:
            await kept.drop()
            _fail(items, Unavailable(f"The database broke off ({error}). Try again."))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            await self._split(kept, items, InvalidInput(f"The database refuses the event: {error}"))
        except Exception:
            log.exception("a batch failed", size=len(items))
            await kept.drop()
            await self._split(kept, items, RigError("The event could not be written; the log says why."))

    async def _split(self, kept: Kept, items: list[_Appending | _Claiming], error: RigError) -> None:
        """One bad event must not take the others with it: each for itself, and the last one fails."""
        if len(items) == 1:
            _fail(items, error)
            return
        for item in items:
            await self._commit_or_split(kept, [item])

    async def _commit(self, kept: Kept, items: list[_Appending | _Claiming]) -> None:
        appending = [item for item in items if isinstance(item, _Appending)]
        claiming = [item for item in items if isinstance(item, _Claiming)]
        if claiming:
            await self._hand_out(kept, claiming)
        if appending:
            await self._append(kept, appending)

    async def _append(self, kept: Kept, items: list[_Appending]) -> None:
        batch = Batch()
        placed = [batch.add(item.append, item.rows) for item in items]
        await self._write(kept, batch)
        self._announce(batch)
        for item, place in zip(items, placed, strict=True):
            self._settle_or_wait(item, batch.outcome(item.append, place))

    async def _write(self, kept: Kept, batch: Batch) -> None:
        connection = await kept.get()
        if not batch.pauses:
            await batch.write(connection, self._lease_seconds)
            return
        async with locked(connection):
            await batch.write(connection, self._lease_seconds)
            await batch.write_pauses(connection)

    async def _hand_out(self, kept: Kept, items: list[_Claiming]) -> None:
        try:
            dealt = await self._dealer.serve(await kept.get(), [item.request for item in items], self.clock.now())
        finally:
            self._waiting += self._behind
            self._behind = []
        self._announce(dealt.batch, claims=bool(dealt.gifts))
        for place, item in enumerate(items):
            if place in dealt.outcomes:
                _settle(item, dealt.outcomes[place])
            elif self._dealer.busy:
                self._behind.append(item)
            else:
                self._enqueue(item)

    def _settle_or_wait(self, item: _Appending, outcome: Appended | Conflict | None) -> None:
        if outcome is None:
            self._enqueue(item)
        else:
            _settle(item, outcome)

    def _announce(self, batch: Batch, claims: bool = False) -> None:
        written = [placed for placed in batch.placed if placed.chain.written]
        offers = any(placed.rows.offer for placed in written)
        if offers or batch.pauses:
            self._dealer.look_again()
        self._topics |= {EVENTS} if written or claims else set()
        self._topics |= {ASSIGNMENTS} if offers else set()
        self._topics |= {EFFECTS} if any(placed.rows.effects for placed in written) else set()
        if self._topics:
            self._to_announce.set()

    async def _announcing(self) -> None:
        """Wake whoever follows, off the writer's way; several batches together where they come fast."""
        while True:
            await self._to_announce.wait()
            self._to_announce.clear()
            topics, self._topics = self._topics, set()
            await self.wake.publish(*topics)
            await asyncio.sleep(ANNOUNCE_SECONDS)


def _settle(waiting: _Waiting[Any], result: Any) -> None:
    if waiting.reply.done():
        return
    if isinstance(result, BaseException):
        waiting.reply.set_exception(result)
    else:
        waiting.reply.set_result(result)


def _fail(items: Sequence[_Waiting[Any]], error: RigError) -> None:
    for item in items:
        _settle(item, error)


def _recorded(row: asyncpg.Record) -> Recorded:
    return Recorded(**dict(row.items()))
