"""Tells the conductor what happened to memories: later where it is away, and never in a writer's way."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg

from servers.kit.clock import Clock, SystemClock
from servers.kit.database import LOST, Connection, Pool
from servers.kit.errors import Forbidden, RigError, Unauthenticated, Unavailable
from servers.kit.logs import get
from servers.memory.drafts import Draft
from servers.memory.indexing import SQL

BATCH = 50
AGAIN_SECONDS = 5.0
LOOK_SECONDS = 30.0
MOST_READS = 500
LONGEST_QUERY = 500
log = get(__name__)


@dataclass(frozen=True)
class Fact:
    """Something that happened to a memory, as one of the conductor's events."""

    type: str
    agent: str
    data: Mapping[str, Any]

    @classmethod
    def written(cls, memory: int, draft: Draft) -> Fact:
        where = {"repository": draft.repo, "issue": draft.issue, "kind": draft.kind}
        return cls("MEMORY_WRITE", draft.author.name, {"memory": str(memory), "agent": draft.author.name, **where})

    @classmethod
    def read(cls, query: str, agent: str, issue: str, memories: Iterable[int]) -> Fact:
        found = [str(one) for one in memories]
        data = {"query": query[:LONGEST_QUERY], "agent": agent, "issue": issue, "memories": found}
        return cls("MEMORY_READ", agent, data)

    @classmethod
    def used(cls, memory: int, agent: str, issue: str, outcome: str) -> Fact:
        data = {"memory": str(memory), "agent": agent, "issue": issue, "outcome": outcome}
        return cls("MEMORY_HIT_USED", agent, data)

    @classmethod
    def promoted(cls, memory: int, agent: str, url: str) -> Fact:
        return cls("MEMORY_PROMOTED", agent, {"memory": str(memory), "url": url})


class Conductor(Protocol):
    """The conductor, called with a token of the role service."""

    async def call(self, tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> Any: ...


class Outbox:
    """Facts that wait for the conductor: what was written in the database, what was read in memory only."""

    def __init__(self, pool: Pool, conductor: Conductor, clock: Clock | None = None) -> None:
        self._pool = pool
        self._conductor = conductor
        self._clock = clock or SystemClock()
        self._reads: deque[tuple[UUID, Fact]] = deque(maxlen=MOST_READS)  # a read more or less is no loss
        self._woken = asyncio.Event()

    async def put(self, connection: Connection, facts: Iterable[Fact]) -> None:
        """Keep facts in the transaction in which they came about."""
        rows = [(fact.type, fact.agent, dict(fact.data)) for fact in facts]
        await connection.execute(SQL["write_outbox"], *map(list, zip(*rows, strict=True)))

    def note(self, fact: Fact) -> None:
        """Keep a fact that nothing depends on."""
        self._reads.append((uuid4(), fact))
        self.wake()

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            self._woken.clear()
            try:
                while await self.send():
                    pass
            except (Unavailable, *LOST, asyncpg.PostgresError) as error:
                log.info("the conductor is told later", reason=str(error))
                await self._clock.sleep(AGAIN_SECONDS)
                continue
            await self._wait()

    async def send(self) -> int:
        """Send some of what waits; how much that was.

        Raises:
            Unavailable: The conductor is away, or knows our token no more; everything is kept.
        """
        sent = await self._send_reads()
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(SQL["take_outbox"], BATCH)
            for row in rows:
                await self._record(row["request"], Fact(row["type"], row["agent"], row["data"]))
            await connection.execute(SQL["sent"], [row["id"] for row in rows])
        return sent + len(rows)

    async def _send_reads(self) -> int:
        sent = 0
        while self._reads:
            request, fact = self._reads[0]
            await self._record(request, fact)
            if self._reads and self._reads[0][0] == request:
                self._reads.popleft()
            sent += 1
        return sent

    async def _record(self, request: UUID, fact: Fact) -> None:
        stream = f"agent-{re.sub(r'[^a-zA-Z0-9_.-]', '_', fact.agent)[:150]}"
        given = {"stream": stream, "type": fact.type, "data": dict(fact.data)}
        try:
            await self._conductor.call("record", given, {"rig/request_id": f"memory-{request}"})
        except Unavailable:
            raise
        except (Unauthenticated, Forbidden) as error:
            raise Unavailable(f"The conductor does not let the memory server in ({error}).") from error
        except RigError as error:
            log.warning("the conductor does not take a fact", type=fact.type, reason=str(error))

    async def _wait(self) -> None:
        waking = asyncio.ensure_future(self._woken.wait())
        looking = asyncio.ensure_future(self._clock.sleep(LOOK_SECONDS))
        try:
            await asyncio.wait({waking, looking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            looking.cancel()
