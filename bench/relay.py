"""Announcing assignments in Valkey: the whole publish, from the query to what KEDA and foreign runtimes read."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bench.common import Result, Round, Server, at_least, durable, interleaved, result
from conductor.dispatch.announce import Announcer
from conductor.issues.limits import Limits
from conductor.store.writer import Store
from servers.kit.character import Character, Git
from servers.kit.database import Pool, load_queries, open_pool
from servers.kit.wake import LocalWake
from servers.kit.wake_valkey import AWAY, open_valkey

NAME = "relay"
SENTENCE = "Assignments announced in Valkey (stream and list), 500 new ones at each publish, 500 in flight"
SQL = load_queries(Path(__file__).with_name("relay.sql"))
BATCH = 500
BACKLOG = 10_000
OF_LIMIT, OF_PEER = 0.8, 15.0
NAMES = ("id", "issue", "kind", "priority", "fence", "attempt", "offered_at")
DEV = Character(
    name="dev-e", role="dev", personality="Works.", git=Git(name="dev-e", email="dev-e@rig.test"), stacks=["python"]
)


async def run(quick: bool) -> Result:
    """The publish beside pipelined pairs alone and beside an outbox that is relayed one by one."""
    rounds, batches = (1, 2) if quick else (7, 10)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        valkey = await stack.enter_async_context(fresh_valkey())
        pool = await stack.enter_async_context(open_pool(await server.database("relay")))
        relay = Relay(pool, valkey, batches)
        await pool.execute(SQL["outbox"])
        contenders: dict[str, Round] = {"ours": relay.publishes, "pairs": relay.pairs, "outbox": relay.one_by_one}
        rates = await interleaved(rounds, contenders, "announcing")
        backlog = await relay.with_backlog()
    return _result(server, rates, backlog)


def _result(server: Server, rates: dict[str, float], backlog: dict[str, float]) -> Result:
    ours, pairs, outbox = rates["ours"], rates["pairs"], rates["outbox"]
    return result(
        NAME,
        "assignments/s",
        ours=ours,
        peer=outbox,
        peer_name="an outbox relayed one by one: select, XADD, LPUSH, update",
        limit=pairs,
        limit_name=f"XADD and LPUSH alone, {BATCH} pairs a pipeline",
        rows=[rates, backlog],
        targets=[
            at_least("× pipelined pairs alone", round(ours / pairs, 3), OF_LIMIT),
            at_least("× one by one", round(ours / outbox, 1), OF_PEER),
        ],
        settings=server.settings,
    )


@dataclass
class Relay:
    """The contenders, each on the same database and Valkey.

    Attributes:
        batches: How many times 500 a round announces.
    """

    pool: Pool
    valkey: Redis
    batches: int
    _next: int = 1

    async def publishes(self) -> float:
        """Each publish finds 500 new assignments, those of the last one in flight, and those before done."""
        await self._clean()
        announcer = self._announcer()
        took = 0.0
        for _ in range(self.batches):
            await self._offer(BATCH)
            began = time.perf_counter()
            await announcer.publish()
            took += time.perf_counter() - began
        await self._check(BATCH * self.batches)
        return BATCH * self.batches / took

    async def with_backlog(self) -> dict[str, float]:
        """How long one publish takes while ten thousand wait, without and with new ones."""
        await self._clean()
        announcer = self._announcer()
        await self.pool.execute(SQL["offer"], self._next, BACKLOG)
        self._next += BACKLOG
        took: list[float] = []
        for fresh in (0, 0, BATCH):
            if fresh:
                await self.pool.execute(SQL["offer"], self._next, fresh)
            began = time.perf_counter()
            await announcer.publish()
            took.append(1000 * (time.perf_counter() - began))
        return {"backlog": BACKLOG, "first_ms": took[0], "again_ms": took[1], f"with_{BATCH}_new_ms": took[2]}

    async def pairs(self) -> float:
        """Nothing but the two commands for each assignment, without a database or any check."""
        await self._clean()
        began = time.perf_counter()
        for batch in range(self.batches):
            async with self.valkey.pipeline(transaction=False) as pipeline:
                for number in range(batch * BATCH, (batch + 1) * BATCH):
                    fields = _fields(number)
                    pipeline.xadd("assignments:dev-e", fields)
                    pipeline.lpush("signal:dev-e", fields["id"])
                await pipeline.execute()
        took = time.perf_counter() - began
        await self._check(BATCH * self.batches)
        return BATCH * self.batches / took

    async def one_by_one(self) -> float:
        """As a simple relay does it: read the oldest row that is not sent, send it, mark it."""
        await self._clean()
        await self.pool.execute(SQL["fill_outbox"], BATCH)
        began = time.perf_counter()
        async with self.pool.acquire() as connection:
            while row := await connection.fetchrow(SQL["oldest"]):
                fields: dict[Any, Any] = dict(zip(NAMES, tuple(row)[1:], strict=True))
                await self.valkey.xadd("assignments:dev-e", fields)
                await self.valkey.lpush("signal:dev-e", fields["id"])
                await connection.execute(SQL["sent"], row[0])
        took = time.perf_counter() - began
        await self._check(BATCH)
        return BATCH / took

    def _announcer(self) -> Announcer:
        store = Store(self.pool, LocalWake(), limits=Limits(open_issues=1_000_000))
        return Announcer(store, self.valkey, {DEV.name: DEV})

    async def _offer(self, count: int) -> None:
        """Finish what is in flight, have everything open claimed, and offer more."""
        for query in ("finish", "take", "taken"):
            await self.pool.execute(SQL[query])
        await self.pool.execute(SQL["offer"], self._next, count)
        self._next += count

    async def _clean(self) -> None:
        await self.pool.execute(SQL["clean"])
        await self.valkey.flushall()

    async def _check(self, announced: int) -> None:
        found = await self.valkey.xlen("assignments:dev-e")
        if found != announced:
            raise RuntimeError(f"{found} of {announced} assignments were announced.")


def _fields(number: int) -> dict[Any, Any]:
    issue = (f"issue-77-{number}:1:implement", f"acme/tally#{number}", "implement", "normal", 1, 1)
    return dict(zip(NAMES, (*issue, "2026-01-01T00:00:00.000+00:00"), strict=True))


@asynccontextmanager
async def fresh_valkey() -> AsyncGenerator[Redis]:
    """A Valkey of one's own on a unix socket, from the program on PATH.

    Raises:
        RuntimeError: There is none.
    """
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        raise RuntimeError("This machine has no valkey-server or redis-server on PATH.")
    with tempfile.TemporaryDirectory(prefix="rig-bench-") as folder:
        socket = os.path.join(folder, "valkey.sock")  # noqa: PTH118 - asyncio code touches no Path
        command = [program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.DEVNULL)
        try:
            async with open_valkey(f"unix://{socket}", seconds=30) as valkey:
                await _answers(valkey)
                yield valkey
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)


async def _answers(valkey: Redis) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                await valkey.ping()
            except AWAY:
                await asyncio.sleep(0.02)
            else:
                return
