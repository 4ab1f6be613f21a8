"""The pages on a real server, over a real log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from conductor.views import Rules
from dashboard.access import Access
from dashboard.app import Dashboard
from rig.embedded.server import Served, bind
from servers.kit.auth import SigningKey, Verifier
from servers.kit.character import Character
from servers.kit.database import Pool
from servers.kit.wake import LocalWake


@dataclass
class Site:
    """The served pages, and a way to make events happen."""

    url: str
    pool: Pool
    wake: LocalWake
    dashboard: Dashboard
    http: httpx2.AsyncClient

    async def record(self, kind: str = "RIG_PAUSED", **data: Any) -> int:
        """One event at the end of the log, and the wake-up for it; its position."""
        position = await self.pool.fetchval(
            "INSERT INTO events (position, stream, version, type, data, actor, occurred_at)"
            " SELECT coalesce(max(position), 0) + 1, 'rig', coalesce(max(position), 0) + 1, $1, $2, 'ada', now()"
            " FROM events RETURNING position",
            kind,
            data,
        )
        await self.wake.publish("events")
        return position


@dataclass
class Opened:
    pool: Pool
    wake: LocalWake
    catalogue: dict[str, Character] = field(default_factory=dict[str, Character])
    rules: Rules = field(default_factory=Rules)


Serve = Callable[..., Any]


@pytest.fixture
def key(tmp_path: Any) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "key.pem")


@pytest.fixture
def serve(pool: Pool, key: SigningKey) -> Serve:
    """Serves the pages, open on loopback or not."""

    @asynccontextmanager
    async def served(*, is_open: bool = True, most_streams: int = 5) -> AsyncGenerator[Site]:
        wake = LocalWake()
        dashboard = Dashboard(Access(Verifier.of(key), is_open), most_streams)
        app = Starlette(routes=dashboard.routes())
        app.state.conductor = Opened(pool, wake)
        listening = bind("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = Served(app, listening)
        await server.ready()
        try:
            async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=15) as http:
                yield Site(url, pool, wake, dashboard, http)
        finally:
            dashboard.close()
            await server.stop()

    return served


@pytest.fixture
async def site(serve: Serve) -> AsyncGenerator[Site]:
    """The pages, open as on a machine of one's own."""
    async with serve() as opened:
        yield opened


Lines = Callable[[httpx2.Response, int], Awaitable[list[str]]]


@pytest.fixture
def events_of() -> Lines:
    """Reads so many `id:` and `data:` lines of a stream."""

    async def read(answer: httpx2.Response, count: int) -> list[str]:
        found: list[str] = []
        async for line in answer.aiter_lines():
            if line.startswith(("id: ", "data: ")):
                found.append(line)
            if len(found) == 2 * count:
                break
        return found

    return read
