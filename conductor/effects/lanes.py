"""Who does which effect: lanes are leased for seconds, held while the work goes on, and left only by their holder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conductor.store.leader import alongside
from conductor.store.writer import AWAY_SECONDS, EFFECTS, Store, connection_of
from servers.kit.database import Connection, load_queries
from servers.kit.errors import Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("effects.sql"))
LEASE_SECONDS = 15.0
IDLE_SECONDS = 5.0
MISSED = 2
log = get(__name__)


@dataclass(frozen=True)
class Due:
    """An effect that is being done; `key` is the same at every attempt, `fence` new at each."""

    id: int
    key: str
    stream: str
    lane: str
    kind: str
    data: dict[str, Any]
    attempts: int
    fence: int


@dataclass(frozen=True)
class Later:
    """The effect waits to be woken, at most for `seconds`; meanwhile its lane stands still.

    Attributes:
        words: What it waits for, as a sentence; empty where there is nothing to say.
        behind: A lane that has to be empty first, if any.
        data: What the effect has to know when it goes on.
    """

    words: str
    seconds: float
    behind: str | None = None
    data: dict[str, Any] = field(default_factory=dict[str, Any])


class LeaseLost(Exception):
    """Another process may have the lane by now."""


class Lanes:
    """The lanes of all effects, as one process uses them.

    Args:
        lease_seconds: After so long a killed process's lane is somebody else's.
    """

    def __init__(self, store: Store, lease_seconds: float = LEASE_SECONDS) -> None:
        self._store = store
        self._lease = lease_seconds

    async def take(self, limit: int) -> list[Due]:
        """The first effects of at most `limit` lanes that are due; they are the caller's until it lets go of them."""
        async with connection_of(self._store.pool) as connection, connection.transaction():
            leased = {row["lane"]: row["fence"] for row in await connection.fetch(SQL["lease"], limit, self._lease)}
            if not leased:
                return []
            rows = await connection.fetch(SQL["take"], list(leased))
            empty = list(leased.keys() - {row["lane"] for row in rows})
            if empty:
                await connection.execute(SQL["drop_lanes"], empty)
        return [Due(**dict(row.items()), fence=leased[row["lane"]]) for row in rows]

    @asynccontextmanager
    async def held(self, due: Due) -> AsyncGenerator[None]:
        """Hold the lane of `due` for the length of the block.

        Raises:
            LeaseLost: It could not be held; the block is cancelled then.
        """
        async with alongside(self._renew(due)):
            yield

    async def _renew(self, due: Due) -> None:
        missed = 0
        while missed < MISSED:
            await asyncio.sleep(self._lease / (MISSED + 1))
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(self._lease / (MISSED + 1)), connection_of(self._store.pool) as connection:
                    if await connection.fetchval(SQL["renew"], due.lane, due.fence, self._lease) is None:
                        break
                missed = 0
                continue
            missed += 1
        raise LeaseLost(due.key)

    async def finish(self, due: Due, state: str, error: str | None = None) -> bool:
        """End `due`; False where another process has it."""
        emptied: list[str | None] = []

        async def end(connection: Connection) -> None:
            emptied.append(await connection.fetchval(SQL["finish"], due.id, due.lane, state, error))

        held = await self._as_holder(due, end)
        if emptied and emptied[-1]:
            await self._run("wake_behind", due.lane)
        await self._store.wake.publish(EFFECTS)
        return held

    async def postpone(self, due: Due, seconds: float, error: str, attempts: int) -> bool:
        """Try `due` again in some seconds, after so many attempts that count; False where another process has it."""

        async def put_off(connection: Connection) -> None:
            await connection.execute(SQL["postpone"], due.id, due.lane, seconds, error, attempts)

        return await self._as_holder(due, put_off)

    async def park(self, due: Due, later: Later) -> bool:
        """Have `due` wait as `later` says; False where another process has it."""

        async def wait(connection: Connection) -> None:
            await connection.execute(
                SQL["park"], due.id, due.lane, later.seconds, later.words or None, later.behind, later.data
            )

        held = await self._as_holder(due, wait)
        if later.behind and not await self.is_busy(later.behind):  # it became empty before it was waited for
            await self.wake(due.lane)
        return held

    async def wake(self, lane: str) -> None:
        """Something that the first effect of `lane` may wait for has happened."""
        await self._run("wake", lane)
        await self._store.wake.publish(EFFECTS)

    async def is_busy(self, lane: str) -> bool:
        """Whether `lane` has anything to do."""
        async with connection_of(self._store.pool) as connection:
            return await connection.fetchval(SQL["is_busy"], lane)

    async def idle_seconds(self) -> float:
        """How long there is nothing to do, as far as anybody knows."""
        async with connection_of(self._store.pool) as connection:
            seconds = await connection.fetchval(SQL["next_due"])
        return IDLE_SECONDS if seconds is None else min(max(seconds, 0.05), IDLE_SECONDS)

    async def release(self) -> None:
        """Take back what a killed process was doing; only where no other process can be at it."""
        await self._store.persist(SQL["release"])

    async def _run(self, query: str, *arguments: Any) -> None:
        async with connection_of(self._store.pool) as connection:
            await connection.execute(SQL[query], *arguments)

    async def _as_holder(self, due: Due, work: Callable[[Connection], Awaitable[None]]) -> bool:
        """Do `work` in a transaction if the lane is still ours, again until the database is back."""
        while True:
            try:
                async with connection_of(self._store.pool) as connection, connection.transaction():
                    if await connection.fetchval(SQL["hold"], due.lane, due.fence) is None:
                        return False
                    await work(connection)
                    return True
            except Unavailable as error:
                log.warning("an outcome waits for the database", effect=due.kind, error=str(error))
                await self._store.clock.sleep(AWAY_SECONDS)
