"""Appends through the store: durable, version-checked, gapless in commit order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import msgspec

from bench import event_stores
from bench.common import Result, Round, Server, at_least, durable, hammer, interleaved, ratio, result
from conductor.events import IssueApproved, IssuePrioritized, MergeGateWaiting, MessageSent
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.store.records import Append
from conductor.store.writer import Store
from servers.kit.database import open_pool
from servers.kit.wake import PostgresWake, background

NAME = "append"
SENTENCE = "Events appended by 64 callers, each durable and version-checked, positions gapless"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = MessageSent(sender="ada", to="dev-e", text="Mind the tests.")
# callers: pgbench's clients, and how many times its rate
PLAIN = {1: (8, 0.55), 8: (8, 1.0), 64: (32, 1.6), 256: (32, 2.2)}
PROJECTED = 1.0
ORDERED, UMA = 10.0, 2.0
Work = Callable[[int], Awaitable[object]]


async def run(quick: bool) -> Result:
    """All sizes beside pgbench, and eight callers beside eventsourcing and UmaDB."""
    rounds, seconds = (1, 0.05) if quick else (5, 2.0)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rig-bench-")))
        store = await stack.enter_async_context(opened(await server.database("ours")))
        pgbench = await event_stores.Pgbench.open(server, folder)
        rows = [await _beside(pgbench, store, callers, rounds, seconds) for callers in PLAIN]
        projected = await _projected(pgbench, store, rounds, seconds)
        peers = await _peers(server, store, rounds, seconds)
    targets = [
        at_least(f"{row['callers']} callers, × pgbench with {row['clients']} clients", row["ratio"], bound)
        for row, (_, bound) in zip(rows, PLAIN.values(), strict=True)
    ]
    targets += [
        at_least("64 callers with issue and effects, × pgbench", projected["ratio"], PROJECTED),
        at_least("8 callers, × eventsourcing", ratio(peers["ours"], peers["eventsourcing"]), ORDERED),
        at_least("8 callers, × UmaDB", ratio(peers["ours"], peers["umadb"]), UMA),
    ]
    headline = next(row for row in rows if row["callers"] == 64)
    return result(
        NAME,
        "events/s",
        ours=headline["ours"],
        peer=peers["eventsourcing"],
        peer_name="eventsourcing, 8 threads",
        limit=headline["pgbench"],
        limit_name="pgbench, 32 clients, a commit an event",
        rows=[*rows, projected, {"callers": 8, **peers}],
        targets=targets,
        settings=server.settings,
    )


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Store]:
    """A store as a conductor has it."""
    async with open_pool(url) as pool:
        wake = PostgresWake(pool.execute, uuid4().hex)
        store = Store(pool, wake)
        async with background(wake.listen(url)), background(store.run()):
            yield store


async def _beside(
    pgbench: event_stores.Pgbench, store: Store, callers: int, rounds: int, seconds: float
) -> dict[str, float]:
    clients = PLAIN[callers][0]
    contenders: dict[str, Round] = {
        "ours": lambda: hammer(callers, seconds, plain(store)),
        "pgbench": lambda: pgbench.rate(clients, seconds),
    }
    rates = await interleaved(rounds, contenders, f"{callers} callers")
    return {"callers": callers, "clients": clients, **rates, "ratio": ratio(rates["ours"], rates["pgbench"]) or 0}


async def _projected(pgbench: event_stores.Pgbench, store: Store, rounds: int, seconds: float) -> dict[str, float]:
    clients = PLAIN[64][0]
    contenders: dict[str, Round] = {
        "projected": lambda: hammer(64, seconds, projected(store)),
        "pgbench": lambda: pgbench.rate(clients, seconds),
    }
    rates = await interleaved(rounds, contenders, "64 callers, projected")
    return {"callers": 64, "clients": clients, **rates, "ratio": ratio(rates["projected"], rates["pgbench"]) or 0}


async def _peers(server: Server, store: Store, rounds: int, seconds: float) -> dict[str, float]:
    await server.database("peer", conductor=False)
    with event_stores.eventsourcing(server, "peer", 8) as recorder:
        async with event_stores.uma() as uma:
            contenders: dict[str, Round] = {
                "ours": lambda: hammer(8, seconds, plain(store)),
                "eventsourcing": lambda: asyncio.to_thread(event_stores.threads, 8, seconds, recorder),
                "umadb": lambda: asyncio.to_thread(event_stores.threads, 8, seconds, uma),
            }
            return await interleaved(rounds, contenders, "8 callers")


def plain(store: Store) -> Work:
    """Each caller appends to a stream of its own, at the version it expects."""
    run, versions = uuid4().hex, dict[int, int]()

    async def work(caller: int) -> None:
        version = versions.get(caller, 0)
        done = await store.append(Append(f"agent-{run}-{caller}", version, [SAID], "ada", NOW))
        versions[caller] = done.version

    return work


_repositories = count(1)


def projected(store: Store) -> Work:
    """Each caller changes an issue of its own; one effect for two events, as in an issue's life."""
    repository, issues = next(_repositories), dict[int, tuple[int, Issue]]()
    head = "a" * 40

    async def work(caller: int) -> None:
        version, issue = issues.get(caller) or (0, Issue())
        event = (
            approved(repository, caller + 1)
            if version == 0
            else MergeGateWaiting(head=head, reasons=["CI runs."])
            if version % 4 == 0
            else IssuePrioritized(priority="high", by="ada")
        )
        after = msgspec.structs.replace(fold([event], issue), status="ready_to_merge")
        append = Append(after.stream, version, [event], "ada", NOW, issue, after, after.key)
        issues[caller] = (await store.append(append)).version, after

    return work


def approved(repository: int, number: int) -> IssueApproved:
    """An issue of an everyday size."""
    return IssueApproved(
        repository_id=repository,
        repository=f"acme/tally-{repository}",
        number=number,
        title=f"Add feature {number}",
        body="As a user I want to see what I did. " * 10,
        url=f"https://github.test/acme/tally/issues/{number}",
        author="ada",
        labels=["agent-ready"],
        approved_by="ada",
    )
