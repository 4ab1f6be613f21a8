"""What every bench is made of: a durable PostgreSQL, interleaved rounds, and one shape of result."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, TypedDict

import asyncpg
from rich.console import Console

from rig.embedded.cluster import Cluster
from rig.embedded.postgres import EmbeddedPostgres
from servers.kit.database import migrate, open_pool

MIGRATIONS = Path(__file__).parents[1] / "conductor" / "migrations"
SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
stderr = Console(stderr=True)
Round = Callable[[], Awaitable[float]]


class Target(TypedDict):
    """One promise: `value` has to be at least, or at most, so much."""

    what: str
    value: float
    at_least: float | None
    at_most: float | None
    met: bool


class Result(TypedDict):
    """What a bench prints as one line of JSON; a key that has no meaning for it is null.

    `ours`, `peer` and `limit` are medians in `unit`; `rows` are the other sizes; `settings` are the server's.
    """

    bench: str
    unit: str
    ours: float | None
    peer: float | None
    peer_name: str | None
    limit: float | None
    limit_name: str | None
    ratio_peer: float | None
    ratio_limit: float | None
    rows: list[dict[str, Any]]
    targets: list[Target]
    met: bool
    settings: dict[str, str]


def result(
    bench: str,
    unit: str,
    *,
    ours: float | None = None,
    peer: float | None = None,
    peer_name: str | None = None,
    limit: float | None = None,
    limit_name: str | None = None,
    rows: Sequence[dict[str, Any]] = (),
    targets: Sequence[Target] = (),
    settings: Mapping[str, str] | None = None,
) -> Result:
    """The result of a bench, with its ratios."""
    return Result(
        bench=bench,
        unit=unit,
        ours=ours,
        peer=peer,
        peer_name=peer_name,
        limit=limit,
        limit_name=limit_name,
        ratio_peer=ratio(ours, peer),
        ratio_limit=ratio(ours, limit),
        rows=list(rows),
        targets=list(targets),
        met=all(target["met"] for target in targets),
        settings=dict(settings or {}),
    )


def ratio(ours: float | None, other: float | None) -> float | None:
    """How many times `other` we are."""
    return round(ours / other, 3) if ours is not None and other else None


def at_least(what: str, value: float | None, bound: float) -> Target:
    """A promise that more is better of."""
    value = value or 0.0
    return Target(what=what, value=value, at_least=bound, at_most=None, met=value >= bound)


def at_most(what: str, value: float, bound: float) -> Target:
    """A promise that less is better of."""
    return Target(what=what, value=value, at_least=None, at_most=bound, met=value <= bound)


async def interleaved(rounds: int, contenders: Mapping[str, Round], what: str) -> dict[str, float]:
    """The median of each contender over `rounds` in which each runs once, so that a busy machine hits all alike."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            value = await contender()
            measured[name].append(value)
            stderr.print(f"[dim]{what}, round {number + 1} of {rounds}:[/dim] {name} {value:,.0f}")
    return {name: median(values) for name, values in measured.items()}


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL that keeps what it says it keeps.

    Attributes:
        programs: The folder of its programs, `pgbench` among them.
        settings: What makes it durable, as read from it.
    """

    cluster: Cluster
    settings: dict[str, str]

    @property
    def programs(self) -> Path:
        return self.cluster.programs / "bin"

    async def database(self, name: str, conductor: bool = True) -> str:
        """The URL of a new database `name`, with the conductor's tables or empty."""
        await self.administer(f"CREATE DATABASE {name} OWNER rig")
        await self.administer("CREATE EXTENSION IF NOT EXISTS vector", database=name)
        url = self.cluster.url("rig", name)
        if conductor:
            async with open_pool(url, size=1) as pool:
                await migrate(pool, MIGRATIONS, name="conductor")
        return url

    async def administer(self, statement: str, database: str = "postgres") -> Any:
        """Execute a statement as the superuser; the first value that it gives."""
        connection = await asyncpg.connect(self.cluster.url("postgres", database))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def durable() -> AsyncGenerator[Server]:
    """A fresh PostgreSQL as the rig embeds it, in a temporary folder, with every commit on the disk.

    Raises:
        RuntimeError: It would not keep a commit through a power cut.
    """
    with tempfile.TemporaryDirectory(prefix="rig-bench-", ignore_cleanup_errors=True) as folder:
        await asyncio.to_thread(Path(folder).chmod, 0o711)  # PostgreSQL's account must get through
        cluster = Path(folder) / "postgres"
        async with _embedded(cluster):
            server = Server(Cluster.at(cluster), {})
            for name in SETTINGS:
                server.settings[name] = await server.administer(f"SHOW {name}")
            if server.settings["fsync"] != "on" or server.settings["synchronous_commit"] != "on":
                raise RuntimeError(f"This PostgreSQL is not durable: {server.settings}")
            yield server


@asynccontextmanager
async def _embedded(folder: Path) -> AsyncGenerator[None]:
    """Kept by an event loop of its own, for uvloop cannot start a process as another account."""
    loop = asyncio.new_event_loop()
    keeper = Thread(target=loop.run_forever)
    keeper.start()
    try:
        postgres = EmbeddedPostgres(folder)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(postgres.__aenter__(), loop))
        try:
            yield
        finally:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(postgres.__aexit__(None, None, None), loop))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        keeper.join()


async def run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """What a program prints.

    Raises:
        RuntimeError: It failed; the message has what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {said.decode(errors='replace')[-800:]}")
    return out.decode()


async def hammer(callers: int, seconds: float, work: Callable[[int], Awaitable[object]]) -> float:
    """How many `work(caller)` a second are done while so many callers each start the next when the last one ends."""
    done = 0
    started = time.perf_counter()

    async def call(caller: int) -> None:
        nonlocal done
        while time.perf_counter() - started < seconds:
            await work(caller)
            done += 1

    async with asyncio.TaskGroup() as group:
        for caller in range(callers):
            group.create_task(call(caller))
    return done / (time.perf_counter() - started)
