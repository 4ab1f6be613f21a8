"""Claims: event, projection and outbox in one durable transaction."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from bench import work_queues
from bench.append import opened, plain
from bench.backlog import claiming, fill
from bench.common import Result, Round, Server, Target, at_least, at_most, durable, hammer, interleaved, ratio, result
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.store.writer import Store

NAME = "claim"
SENTENCE = "Issues claimed by 64 waiting claimers, each once, with event, projection and outbox"
CLAIMERS = {16: 2.0, 64: 4.0}
COMPLETE, PROCRASTINATE, GROWN = 1.0, 8.0, 0.9


@dataclass
class Tally:
    """What happened to the claims of all rounds."""

    seconds: list[float] = field(default_factory=list[float])
    streams: Counter[str] = field(default_factory=Counter[str])

    @property
    def p99(self) -> float:
        """In milliseconds."""
        return quantiles(self.seconds, n=100)[98] * 1000

    @property
    def doubles(self) -> int:
        """Issues that were claimed twice."""
        return sum(times - 1 for times in self.streams.values())


async def run(quick: bool) -> Result:
    """Claims alone, claims with completion, and both again among a million issues."""
    rounds, each, large = (1, 64, 500) if quick else (5, 3_000, 1_000_000)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        store = await stack.enter_async_context(opened(await server.database("ours")))
        await fill(store.pool, (len(CLAIMERS) + 1) * rounds * each)
        peer = await server.database("peer", conductor=False)
        tallies = {claimers: Tally() for claimers in CLAIMERS}
        rows = [await _claims(store, peer, n, rounds, each, tally) for n, tally in tallies.items()]
        completed = await _completed(server, store, peer, rounds, each)
        grown = await _grown(server, rounds, each, large)
    headline = rows[-1]
    return result(
        NAME,
        "claims/s",
        ours=headline["ours"],
        peer=headline["pgqueuer"],
        peer_name="pgqueuer at its default",
        rows=[*rows, completed, grown],
        targets=[*_targets(rows, tallies), *_further(completed, grown)],
        settings=server.settings,
    )


async def _claims(store: Store, peer: str, claimers: int, rounds: int, each: int, tally: Tally) -> dict[str, Any]:
    contenders: dict[str, Round] = {
        "ours": lambda: share(claimers, each, _timed(store, tally)),
        "pgqueuer": lambda: work_queues.pgqueuer(peer, each),
    }
    rates = await interleaved(rounds, contenders, f"{claimers} claimers")
    conflicts = 1 - len(tally.streams) / len(tally.seconds)
    return {"claimers": claimers, **rates, "p99_ms": tally.p99, "conflicts": conflicts, "doubles": tally.doubles}


async def _completed(server: Server, store: Store, peer: str, rounds: int, each: int) -> dict[str, Any]:
    other = await server.database("other", conductor=False)
    claim = claiming(store)

    async def work() -> None:
        stream = await claim()
        await handle(store, stream, c.Cancel("Measured.", "ada"), "ada")

    contenders: dict[str, Round] = {
        "ours": lambda: share(64, each, work),
        "pgqueuer": lambda: work_queues.pgqueuer(peer, each),
        "procrastinate": lambda: work_queues.procrastinate(other, each // 10),
    }
    return {"claimers": 64, "completed": True, **await interleaved(rounds, contenders, "claimed and completed")}


async def _grown(server: Server, rounds: int, each: int, large: int) -> dict[str, Any]:
    """Claims and appends in a database with few issues and in one with many."""
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(opened(await server.database("few")))
        many = await stack.enter_async_context(opened(await server.database("many")))
        await fill(few.pool, max(1_000, rounds * each))
        await fill(many.pool, large)
        seconds = each / 3_000
        contenders: dict[str, Round] = {
            "claim_few": lambda: share(64, each, claiming(few)),
            "claim_many": lambda: share(64, each, claiming(many)),
            "append_few": lambda: hammer(64, seconds, plain(few)),
            "append_many": lambda: hammer(64, seconds, plain(many)),
        }
        return {"issues": large, **await interleaved(rounds, contenders, f"among {large:,} issues")}


def _timed(store: Store, tally: Tally) -> Callable[[], Awaitable[None]]:
    claim = claiming(store)

    async def work() -> None:
        started = time.perf_counter()
        tally.streams[await claim()] += 1
        tally.seconds.append(time.perf_counter() - started)

    return work


async def share(workers: int, times: int, work: Callable[[], Awaitable[object]]) -> float:
    """How often a second `work` is done, by so many at once and so many times in all."""
    left = iter(range(times))
    started = time.perf_counter()

    async def one() -> None:
        for _ in left:
            await work()

    await asyncio.gather(*(one() for _ in range(workers)))
    return times / (time.perf_counter() - started)


def _targets(rows: list[dict[str, Any]], tallies: dict[int, Tally]) -> list[Target]:
    faster = [
        at_least(f"{row['claimers']} claimers, × pgqueuer", ratio(row["ours"], row["pgqueuer"]), bound)
        for row, bound in zip(rows, CLAIMERS.values(), strict=True)
    ]
    return [
        *faster,
        at_most("p99 of a claim in ms, 16 claimers", tallies[16].p99, 5.0),
        at_most("conflicts a claim", max(row["conflicts"] for row in rows), 0.05),
        at_most("issues claimed twice", sum(tally.doubles for tally in tallies.values()), 0),
    ]


def _further(completed: dict[str, Any], grown: dict[str, Any]) -> list[Target]:
    ours = completed["ours"]
    return [
        at_least("claimed and completed, × pgqueuer", ratio(ours, completed["pgqueuer"]), COMPLETE),
        at_least("claimed and completed, × procrastinate", ratio(ours, completed["procrastinate"]), PROCRASTINATE),
        at_least("claim among many issues, × few", ratio(grown["claim_many"], grown["claim_few"]), GROWN),
        at_least("append among many issues, × few", ratio(grown["append_many"], grown["append_few"]), GROWN),
    ]
