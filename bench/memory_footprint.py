"""How much memory a conductor that serves takes while the log grows."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from bench.backlog import fill
from bench.common import Result, at_most, durable, result
from bench.wake_latency import serving
from rig.demo.stage import free_ports
from servers.kit.auth import SigningKey
from servers.kit.database import Pool, open_pool

NAME = "memory_footprint"
SENTENCE = "Resident memory of a serving conductor after 1M events and 10k issues, against after 1k events"
GROWTH = 1.5
PATHS = ("/api/issues?limit=100", "/api/events?after={after}&limit=200", "/api/agents", "/api/costs/summary")
SAID = """
    INSERT INTO events (position, stream, version, type, data, actor, occurred_at)
    SELECT last + n, 'run-' || (last + n) / 100, (last + n) % 100 + 1, 'MESSAGE_SENT',
           '{"sender": "a", "to": "b", "text": "Mind the tests."}', 'a', now()
    FROM generate_series(1, $1::int) AS n, (SELECT coalesce(max(position), 0) AS last FROM events) AS log
"""


async def run(quick: bool) -> Result:
    """The same requests to the same process, before and after the log has grown."""
    requests, issues, events = (10, 100, 500) if quick else (2_000, 10_000, 1_000_000)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rig-bench-")))
        url = await server.database("ours")
        pool = await stack.enter_async_context(open_pool(url))
        await grow(pool, 1, 30, 1_000)
        key = SigningKey.load_or_create(folder / "key.pem")
        base, github = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        settings = {
            "RIG_PORT": base.rpartition(":")[2],
            "RIG_DATABASE_URL": url,
            "RIG_SIGNING_KEY": str(folder / "key.pem"),
            "RIG_CHARACTERS": str(Path(__file__).parents[1] / "characters"),
            "RIG_GITHUB_SERVER_URL": f"{github}/mcp/github",
            "RIG_LOG_LEVEL": "ERROR",
        }
        process = await stack.enter_async_context(serving("conductor", f"{base}/readyz", settings))
        headers = {"Authorization": f"Bearer {key.issue('ada', 'person', timedelta(hours=1))}"}
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False))
        await ask(http, requests, 1_000)
        before = resident(process)
        await grow(pool, 31, issues, events)
        await ask(http, requests, events)
        after = resident(process)
    return result(
        NAME,
        "MB",
        ours=after,
        rows=[{"events": 1_000, "mb": before}, {"events": events, "issues": issues, "mb": after}],
        targets=[at_most("× after 1k events", round(after / before, 3), GROWTH)],
        settings=server.settings,
    )


async def grow(pool: Pool, first: int, issues: int, events: int) -> None:
    """Add issues, and what agents said to each other."""
    await fill(pool, issues, first)
    await pool.execute(SAID, events - issues, timeout=600)


async def ask(http: httpx2.AsyncClient, requests: int, events: int) -> None:
    """Look at everything, all over the log."""
    for number in range(requests):
        path = PATHS[number % len(PATHS)].format(after=events * number // requests)
        (await http.get(path, timeout=60)).raise_for_status()


def resident(process: int) -> float:
    """A process's memory in megabytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return round(int(found[1]) / 1024, 1) if found else 0.0
