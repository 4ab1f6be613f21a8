"""The documented runtime of one's own, as it stands in docs/examples, in processes that are killed."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from conductor.handler import handle
from conductor.issues.issue import stream_of
from conductor.store.writer import Store
from servers.kit.wake import LocalWake, background
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID, observed
from tests.conductor.serving import Rig, serving
from tests.fixtures_valkey import Valkey
from tests.fixtures_waiting import Eventually

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "foreign_runtime.py"
CHARACTER = {
    "name": "dev-e",
    "role": "dev",
    "personality": "Works.",
    "git": {"name": "dev-e", "email": "dev-e@rig.test"},
}
CLAIMS = "SELECT count(*) FROM events WHERE type = 'ISSUE_ASSIGNED'"


class Runtime:
    """Processes of the example, and what they say they work on."""

    def __init__(self, rig: Rig, valkey: Valkey) -> None:
        self._rig, self._valkey = rig, valkey
        self.works: list[str] = []
        self._reading: set[asyncio.Task[None]] = set()

    async def start(self, name: str, url: str = "") -> asyncio.subprocess.Process:
        environment = {
            "PATH": os.environ["PATH"],
            "HOSTNAME": name,
            "RIG_CHARACTER": "dev-e",
            "RIG_VALKEY_URL": self._valkey.url,
            "RIG_URL": url or self._rig.url,
            "RIG_TOKEN": self._rig.token("dev-e", "dev"),
            "IDLE_MS": "500",
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE), stdout=pipe, env=environment)
        self._reading.add(asyncio.create_task(self._read(process)))
        return process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            self.works.append(json.loads(line)["claim"]["issue"])


@asynccontextmanager
async def deaf_conductor(heard: asyncio.Queue[None]) -> AsyncGenerator[str]:
    """Takes requests and never answers, so whoever calls has read an announcement and claimed nothing."""

    async def take(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        heard.put_nowait(None)
        await reader.read()

    server = await asyncio.start_server(take, "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
async def rig(database_url: str, tmp_path: Path, valkey: Valkey) -> AsyncGenerator[Rig]:
    (tmp_path / "characters").mkdir()
    (tmp_path / "characters" / "dev-e.yaml").write_text(yaml.safe_dump(CHARACTER))
    changes: dict[str, Any] = {"valkey_url": valkey.url, "max_open_issues": 1000, "first_heartbeat_seconds": 600}
    async with serving(database_url, tmp_path, MemoryGitHub(), **changes) as opened:
        yield opened


async def offer(rig: Rig, numbers: range) -> list[str]:
    """Commit as another replica would, and wake the conductor."""
    store = Store(rig.pool, LocalWake())
    async with background(store.run()):
        for number in numbers:
            await handle(store, stream_of(REPOSITORY_ID, number), observed(number), "github")
    await rig.pool.execute("SELECT pg_notify('rig_wake', 'replica events')")
    return [f"{REPOSITORY}#{number}" for number in numbers]


async def test_every_assignment_is_claimed_once_though_consumers_die_and_valkey_is_flushed(
    rig: Rig, valkey: Valkey, eventually: Eventually
) -> None:
    runtime, read = Runtime(rig, valkey), asyncio.Queue[None]()
    async with AsyncExitStack() as stack:
        unanswered = await stack.enter_async_context(deaf_conductor(read))
        doomed = [await runtime.start(f"doomed-{n}", unanswered) for n in range(2)]
        issues = await offer(rig, range(1, 31))
        for _ in doomed:
            await asyncio.wait_for(read.get(), 20)
        for process in doomed:
            process.kill()
            await process.wait()
        living = [await runtime.start(f"living-{n}") for n in range(4)]
        stack.push_async_callback(_end, living)

        await eventually(lambda: len(runtime.works) >= 10)
        async with valkey.client() as client:
            await client.flushall()
        issues += await offer(rig, range(31, 61))
        await eventually(lambda: len(runtime.works) >= 60)
    assert Counter(runtime.works) == Counter(issues)
    assert await rig.pool.fetchval(CLAIMS) == 60


async def _end(processes: list[asyncio.subprocess.Process]) -> None:
    for process in processes:
        process.kill()
        await process.wait()
