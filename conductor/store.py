"""The event store: one writer a process commits everything that waits together, appends and claims alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec

from conductor.batch import SQL, Batch
from conductor.handout import Handout, offered
from conductor.issue import Issue
from conductor.limits import Limits
from conductor.records import Append, Appended, Claimed, ClaimRequest, Recorded
from servers.kit.clock import Clock, SystemClock
from servers.kit.database import LOST, Connection, Pool
from servers.kit.errors import Conflict, InvalidInput, RigError, Unavailable
from servers.kit.logs import get
from servers.kit.wake import Wake

EVENTS, ASSIGNMENTS, EFFECTS = "events", "assignments", "effects"
COMMIT_SECONDS = 30
ACQUIRE_SECONDS = 10
AWAY_SECONDS = 0.5
# What may be over at the next try: a server that is gone, overloaded or read-only, a deadlock.
AWAY = (
    *LOST,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
log = get(__name__)

Ask = TypeVar("Ask")
Reply = TypeVar("Reply")


@dataclass
class _Waiting(Generic[Ask, Reply]):
    ask: Ask
    reply: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


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

    async def offered(self, request: ClaimRequest, want: int) -> list[Issue]:
        """What `request` could be given right now, best first and at most `want`; nothing is given."""
        async with connection_of(self.pool) as connection:
            return await offered(connection, request, self.affinity, want)

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
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            live = [item for item in batch if not item.reply.done()]
            if live:
                await self._commit_or_split(live)

    async def _commit_or_split(self, items: list[Any]) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._commit(items)
        except (*AWAY, Unavailable) as error:
            _fail(items, Unavailable(f"The database broke off ({error}). Try again."))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            await self._split(items, InvalidInput(f"The database refuses the event: {error}"))
        except Exception:
            log.exception("a batch failed", size=len(items))
            await self._split(items, RigError("The event could not be written; the log says why."))

    async def _split(self, items: list[Any], error: RigError) -> None:
        """One bad event must not take the others with it: each for itself, and the last one fails."""
        if len(items) == 1:
            _fail(items, error)
            return
        for item in items:
            await self._commit_or_split([item])

    async def _commit(self, items: list[Any]) -> None:
        appends: list[_Waiting[Append, Appended]] = [i for i in items if isinstance(i.ask, Append)]
        claimers: list[_Waiting[ClaimRequest, Claimed | None]] = [i for i in items if isinstance(i.ask, ClaimRequest)]
        async with _acquired(self.pool) as connection, connection.transaction():
            batch = await Batch.begin(connection, [w.ask for w in appends], self._lease_seconds)
            results: list[tuple[Any, Any]] = [(w, _attempt(batch, w.ask)) for w in appends]
            if claimers:
                handout = Handout(connection, batch, self.clock.now(), self.affinity)
                outcomes = await handout.serve([w.ask for w in claimers])
                results += [(claimers[place], outcome) for place, outcome in outcomes.items()]
            await batch.write(connection)
        for waiting, result in results:
            _settle(waiting, result)
        for waiting in claimers:
            if not waiting.reply.done():
                self._queue.put_nowait(waiting)
        await self._announce(batch)

    async def _announce(self, batch: Batch) -> None:
        topics = [EVENTS] if batch.events else []
        topics += [ASSIGNMENTS] if any(row["offer_kind"] for row in batch.issues.values()) else []
        topics += [EFFECTS] if batch.effects else []
        await self.wake.publish(*topics)


def _attempt(batch: Batch, append: Append) -> Appended | Conflict:
    try:
        return batch.add(append)
    except Conflict as conflict:
        return conflict


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
    """A pooled connection; a database that is away is Unavailable, a value that it cannot hold InvalidInput."""
    try:
        async with _acquired(pool) as connection:
            yield connection
    except AWAY as error:
        raise Unavailable(f"The database cannot be reached ({error}). Try again.") from error
    except asyncpg.DataError as error:
        raise InvalidInput(f"The database cannot hold this value ({error}).") from error


@asynccontextmanager
async def _acquired(pool: Pool) -> AsyncGenerator[Connection]:
    try:
        connection = await pool.acquire(timeout=ACQUIRE_SECONDS)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database cannot be reached ({error}). Try again.") from error
    try:
        yield connection
    finally:
        await pool.release(connection)
