"""The claim tool over HTTP with a token, beside a trivial tool on the SDK as it comes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory, TemporaryFile

import httpx2

from bench.append import NOW, approved, opened
from bench.common import Result, Round, at_least, at_most, durable, hammer, interleaved, ratio, result
from bench.tool_calls import ToolCaller, tool_caller
from conductor.issues.evolve import fold
from conductor.store.records import Append
from rig.demo.stage import free_ports
from servers.kit.auth import SigningKey

NAME = "mcp_claim"
SENTENCE = "Claims through the MCP tool over HTTP with a token, 16 connections, each claim an event on the disk"
CONNECTIONS = 16
PER_SECOND = 4000  # more issues than any server here can hand out
_instances = count(1)


async def run(quick: bool) -> Result:
    """Claims a second and their p99, beside the trivial tool's."""
    rounds, seconds = (1, 0.1) if quick else (5, 3.0)
    latencies: list[float] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        database = await server.database("ours")
        await _offer(database, round(rounds * seconds * PER_SECOND))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rig-bench-")))
        key = SigningKey.load_or_create(folder / "key.pem")
        ours, bare = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        await stack.enter_async_context(_conductor(ours, database, folder))
        await stack.enter_async_context(_serving(f"{bare}/mcp", "-m", "bench.bare_sdk", bare.rpartition(":")[2]))
        token = key.issue("dev-e", "dev", timedelta(hours=1))
        claimers = [await stack.enter_async_context(tool_caller(f"{ours}/mcp/conductor", token)) for _ in _EACH]
        callers = [await stack.enter_async_context(tool_caller(f"{bare}/mcp")) for _ in _EACH]
        contenders: dict[str, Round] = {
            "ours": lambda: hammer(CONNECTIONS, seconds, lambda caller: _claim(claimers[caller], latencies)),
            "bare SDK": lambda: hammer(CONNECTIONS, seconds, lambda caller: callers[caller].call("nothing", {}, {})),
        }
        rates = await interleaved(rounds, contenders, "16 connections")
    p99 = quantiles(latencies, n=100)[98] * 1000
    return result(
        NAME,
        "calls/s",
        ours=rates["ours"],
        limit=rates["bare SDK"],
        limit_name="a trivial tool on the bare SDK, untuned",
        rows=[{"connections": CONNECTIONS, **rates, "p50_ms": quantiles(latencies, n=2)[0] * 1000, "p99_ms": p99}],
        targets=[
            at_least("× the bare SDK", ratio(rates["ours"], rates["bare SDK"]), 0.9),
            at_most("p99 of a claim, ms", p99, 30),
        ],
        settings=server.settings,
    )


_EACH = range(CONNECTIONS)


async def _claim(caller: ToolCaller, latencies: list[float]) -> None:
    """A claim by an instance that holds nothing yet."""
    instance = {"rig/instance": f"bench-{next(_instances)}", "rig/boot": "1"}
    started = time.perf_counter()
    answer = await caller.call("claim_assignment", {}, instance)
    latencies.append(time.perf_counter() - started)
    if answer["assignment"] is None:
        raise RuntimeError("There was no work left to claim: offer more.")


async def _offer(database: str, issues: int) -> None:
    """Issues of many repositories that wait for somebody."""
    async with opened(database) as store:

        async def offer(number: int) -> None:
            event = approved(1000 + number % 500, number)
            after = fold([event])
            await store.append(Append(after.stream, 0, [event], "ada", NOW, None, after, after.key))

        for start in range(0, issues, 500):
            await asyncio.gather(*(offer(start + n + 1) for n in range(min(500, issues - start))))


@asynccontextmanager
async def _conductor(url: str, database: str, folder: Path) -> AsyncGenerator[None]:
    characters = Path(__file__).parents[1] / "characters"
    environment = {
        "RIG_PORT": url.rpartition(":")[2],
        "RIG_DATABASE_URL": database,
        "RIG_SIGNING_KEY": str(folder / "key.pem"),
        "RIG_CHARACTERS": str(characters),
        "RIG_MAX_OPEN_ISSUES": "1000000",
        "RIG_LEASE_SECONDS": "3600",
        "RIG_FIRST_HEARTBEAT_SECONDS": "3600",
    }
    async with _serving(f"{url}/readyz", "-m", "rig", "serve", "conductor", **environment):
        yield


@asynccontextmanager
async def _serving(ready: str, *command: str, **environment: str) -> AsyncGenerator[None]:
    """A server as a process of its own, once `ready` answers something.

    Raises:
        RuntimeError: It ended instead; the message has what it said.
    """
    with TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={"PATH": os.environ["PATH"], "RIG_CONFIG": os.devnull, **environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=said,
        )
        try:
            await _answers(ready, process)
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            if await process.wait() not in (0, -15):
                said.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed: {said.read()[-2000:].decode(errors='replace')}")


async def _answers(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60), httpx2.AsyncClient(trust_env=False) as http:
        while process.returncode is None:
            with suppress(httpx2.TransportError):
                if (await http.get(url)).status_code != 503:
                    return
            await asyncio.sleep(0.05)
