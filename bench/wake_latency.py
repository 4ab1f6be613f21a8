"""How soon a parked agent has the work of an issue that was just labelled, on an idle rig."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from uuid import uuid4

import httpx2

from bench.common import Result, at_most, durable, result
from bench.tool_calls import ToolCaller, tool_caller
from rig.demo.stage import free_ports
from rig.doubles.github.client import GitHubDouble
from servers.kit.auth import SigningKey

NAME = "wake_latency"
SENTENCE = "A webhook on the disk until a parked agent has the work, over HTTP, idle rig with GitHub's double"
REPOSITORY, OWNER, TOKEN, SECRET = "acme/tally", "ada", "ghp_bench", "sesame"
HOUR = timedelta(hours=1)
PARKED_SECONDS = 0.05  # enough for the claim to be parked before the webhook comes
FILES = {"README.md": "# Tally\n", ".rig-agent.yaml": "stack: python\ntestCommand: python -m pytest -q\n"}


async def run(quick: bool) -> Result:
    """One issue after the other, each for an agent that waits already."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rig-bench-")))
        bench = await _opened(stack, folder, await server.database("ours"))
        warm, often = (1, 4) if quick else (5, 200)
        for _ in range(warm):
            await bench.sample()
        samples = [await bench.sample() for _ in range(often)]
    stored = [1000 * sample[1] for sample in samples]
    whole = [1000 * sample[0] for sample in samples]
    rows = [
        {"from": name, "p50_ms": _cut(values, 50), "p99_ms": _cut(values, 99)}
        for name, values in (("webhook stored", stored), ("webhook posted", whole))
    ]
    p99 = _cut(stored, 99)
    targets = [at_most("p99 from webhook stored to claim answered, ms", p99, 50)]
    return result(NAME, "ms", ours=p99, rows=rows, targets=targets, settings=server.settings)


def _cut(values: list[float], percent: int) -> float:
    return round(quantiles(values, n=100)[percent - 1], 1)


async def _opened(stack: AsyncExitStack, folder: Path, database: str) -> Bench:
    double = await stack.enter_async_context(GitHubDouble.start(folder / "github"))
    await double.add_identity(TOKEN, OWNER)
    await double.seed_repository(REPOSITORY, files=FILES, labels=["agent-ready"], permissions={OWNER: "admin"})
    key = SigningKey.load_or_create(folder / "key.pem")
    ports = free_ports(2)
    conductor, github = (f"http://127.0.0.1:{port}" for port in ports)
    settings = {
        "RIG_PORT": str(ports[0]),
        "RIG_DATABASE_URL": database,
        "RIG_SIGNING_KEY": str(folder / "key.pem"),
        "RIG_CHARACTERS": str(Path(__file__).parents[1] / "characters"),
        "RIG_GITHUB_SERVER_URL": f"{github}/mcp/github",
        "RIG_REPOSITORIES": REPOSITORY,
        "RIG_WEBHOOK_SECRET": SECRET,
        "RIG_MAX_OPEN_ISSUES": "1000000",
        "RIG_FIRST_HEARTBEAT_SECONDS": "3600",
        "RIG_LOG_LEVEL": "WARNING",
    }
    for_github = {
        "RIG_PORT": str(ports[1]),
        "RIG_CONDUCTOR_URL": conductor,
        "RIG_TOKEN": key.issue("github", "service", HOUR),
        "RIG_REPOSITORIES": REPOSITORY,
        "RIG_GITHUB_URL": double.url,
        "RIG_GITHUB_TOKEN": TOKEN,
        "RIG_LOG_LEVEL": "WARNING",
    }
    await stack.enter_async_context(serving("conductor", f"{conductor}/readyz", settings))
    await stack.enter_async_context(serving("github", f"{github}/readyz", for_github))
    http = await stack.enter_async_context(httpx2.AsyncClient(base_url=conductor, trust_env=False, timeout=30))
    agent = key.issue("dev-e-python", "dev", HOUR)
    caller = await stack.enter_async_context(tool_caller(f"{conductor}/mcp/conductor", agent))
    return Bench(double, http, caller)


class Bench:
    """An issue is filed and labelled, and its webhook posted by hand, so that its moment is known."""

    def __init__(self, double: GitHubDouble, http: httpx2.AsyncClient, caller: ToolCaller) -> None:
        self._double = double
        self._http = http
        self._caller = caller

    async def sample(self) -> tuple[float, float]:
        """Seconds from the webhook's sending, and from the answer that it is on the disk, to the claim's answer."""
        number = await self._double.file_issue(REPOSITORY, "Add a feature", "It adds.", token=TOKEN)
        await self._double.label_issue(REPOSITORY, number, "agent-ready", token=TOKEN)
        parked = asyncio.create_task(self._claimed())
        await asyncio.sleep(PARKED_SECONDS)
        posted = time.perf_counter()
        answer = await self._http.post("/webhooks/github", **_delivery(number))
        stored = time.perf_counter()
        if answer.status_code != 202:
            raise RuntimeError(f"The webhook was answered {answer.status_code}: {answer.text}")
        claimed, issue = await parked
        if issue != f"{REPOSITORY}#{number}":
            raise RuntimeError(f"Number {number} was labelled and {issue} was handed out.")
        return claimed - posted, max(claimed - stored, 0.0)

    async def _claimed(self) -> tuple[float, str]:
        instance = {"rig/instance": uuid4().hex, "rig/boot": "1"}
        answer = await self._caller.call("claim_assignment", {"wait_seconds": 20}, instance)
        when = time.perf_counter()
        if answer["assignment"] is None:
            raise RuntimeError("No work came within 20 seconds.")
        return when, answer["assignment"]["claim"]["issue"]


def _delivery(number: int) -> dict[str, Any]:
    about = {"repository": {"full_name": REPOSITORY}, "issue": {"number": number}, "label": {"name": "agent-ready"}}
    body = json.dumps({"action": "labeled", **about}).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": "issues",
        "x-github-delivery": uuid4().hex,
        "x-hub-signature-256": signature,
    }
    return {"content": body, "headers": headers}


@asynccontextmanager
async def serving(server: str, ready: str, settings: dict[str, str]) -> AsyncGenerator[int]:
    """A server as a process of its own, as in a cluster; its id.

    Raises:
        RuntimeError: It ended instead; the message has what it said.
    """
    environment = {"PATH": os.environ["PATH"], "RIG_CONFIG": os.devnull, **settings}
    with TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rig", "serve", server),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=said,
        )
        try:
            async with asyncio.timeout(60), httpx2.AsyncClient(trust_env=False) as http:
                while not await _answers(http, ready):
                    if process.returncode is not None:
                        said.seek(0)
                        raise RuntimeError(f"{server} did not start: {said.read()[-2000:].decode(errors='replace')}")
                    await asyncio.sleep(0.1)
            yield process.pid
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx2.TransportError:
        return False
