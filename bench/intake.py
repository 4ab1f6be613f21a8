"""Signed webhooks over HTTP, kept on the disk with deduplication, beside a door that only checks the signature."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import random
import re
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from statistics import quantiles
from typing import Any
from uuid import uuid4

import asyncpg

from bench.common import Result, at_least, at_most, durable, hammer, interleaved, ratio, result
from bench.intake_doors import SECRET
from rig.demo.stage import free_ports

NAME = "intake"
SENTENCE = "Signed webhooks of 25 KB kept on the disk, each GUID once, 64 connections"
CONNECTIONS = 64
BYTES = 25_000
OURS, VERIFIED, NAIVE = "/webhooks/github", "/verified", "/naive"
NOUNS = ("comments", "events", "followers", "gists", "labels", "orgs", "repos", "starred", "statuses", "teams")
WORDS = ("one", "more", "test", "for", "the", "sum", "of", "every", "line")
_guids = count()


async def run(quick: bool) -> Result:
    """Webhooks a second through each door, and how long ours lets GitHub wait."""
    rounds, seconds = (1, 0.1) if quick else (7, 2.0)
    waits: list[float] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        database = await server.database("ours")
        [port] = free_ports(1)
        await stack.enter_async_context(_serving(port, database))
        senders = [await Sender.connected(port) for _ in range(CONNECTIONS)]
        keeper = await asyncpg.connect(database)
        stack.push_async_callback(keeper.close)

        async def through(path: str, noted: list[float] | None) -> float:
            await keeper.execute("TRUNCATE deliveries, naive")
            await server.administer("CHECKPOINT")  # recycles WAL files, which only a new server has to fill
            return await hammer(CONNECTIONS, seconds, lambda caller: senders[caller].send(path, noted))

        for path in (OURS, VERIFIED, NAIVE):
            await hammer(CONNECTIONS, min(seconds, 0.2), lambda caller, path=path: senders[caller].send(path, None))
        rates = await interleaved(
            rounds,
            {
                "ours": lambda: through(OURS, waits),
                "HMAC only": lambda: through(VERIFIED, None),
                "naive insert": lambda: through(NAIVE, None),
            },
            f"{CONNECTIONS} connections",
        )
        for sender in senders:
            sender.close()
    cuts = quantiles(waits, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    return result(
        NAME,
        "webhooks/s",
        ours=rates["ours"],
        peer=rates["naive insert"],
        peer_name="one INSERT and commit a webhook, into a table as it comes",
        limit=rates["HMAC only"],
        limit_name="a route that only checks the HMAC",
        rows=[{"connections": CONNECTIONS, **rates, "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}],
        targets=[
            at_least("× a route that only checks the HMAC", ratio(rates["ours"], rates["HMAC only"]), 0.65),
            at_least("× a naive insert", ratio(rates["ours"], rates["naive insert"]), 3.5),
            at_most("p99, ms", round(p99, 2), 15),
        ],
        settings=server.settings,
    )


def payload() -> bytes:
    """A body as long as those that GitHub sends about pull requests, and as repetitive: it packs to a ninth."""
    dice = random.Random(1)
    commits: list[dict[str, object]] = []
    while len(json.dumps(commits)) < BYTES:
        words = " ".join(dice.choice(WORDS) for _ in range(12))
        sha, tree = dice.randbytes(20).hex(), dice.randbytes(20).hex()
        login = f"{dice.choice(WORDS)}{dice.randrange(1000)}"
        user = {f"{noun}_url": f"https://api.github.com/users/{login}/{noun}" for noun in NOUNS}
        api = f"https://api.github.com/repos/acme/tally/commits/{sha}"
        urls = {f"{noun}_url": f"{api}/{noun}" for noun in NOUNS}
        commits.append({"id": dice.randrange(10**9), "sha": sha, "tree": tree, "title": words, "user": user, **urls})
    return json.dumps({"action": "synchronize", "commits": commits}).encode()


BODY = payload()
SIGNATURE = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
HEAD = (
    f"POST %b HTTP/1.1\r\nHost: rig\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
    "X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: %b-%d\r\n"
    f"X-Hub-Signature-256: sha256={SIGNATURE}\r\n\r\n"
).encode()
RUN = uuid4().hex.encode()
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


class Sender(asyncio.Protocol):
    """One of GitHub's connections, kept open; does as little as it can, for it shares two cores with the server."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._heard = b""
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def connected(cls, port: int) -> Sender:
        _, sender = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return sender

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, ended, body = self._heard.partition(b"\r\n\r\n")
        if ended and self._answer and len(body) == int(LENGTH.findall(head)[0]):
            self._heard = b""
            self._answer.set_result(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(RuntimeError(f"The server hung up: {exc}"))

    async def send(self, path: str, waits: list[float] | None) -> None:
        """Deliver the payload under a new GUID; how long the answer took goes to `waits`.

        Raises:
            RuntimeError: The answer is not 202.
        """
        self._answer = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        self._transport.writelines((HEAD % (path.encode(), RUN, next(_guids)), BODY))
        answer = await self._answer
        if waits is not None:
            waits.append(time.perf_counter() - started)
        if b" 202 " not in answer[:20]:
            raise RuntimeError(f"{path} answered {answer!r}")

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def _serving(port: int, database: str) -> AsyncGenerator[None]:
    environment = {"PATH": os.environ["PATH"], "RIG_DATABASE_URL": database}
    doors = "-m", "bench.intake_doors", str(port)
    process = await asyncio.create_subprocess_exec(sys.executable, *doors, env=environment)
    try:
        async with asyncio.timeout(30):
            while True:
                with suppress(OSError):
                    (await Sender.connected(port)).close()
                    break
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()
