"""Applications on loopback: served on this loop, and waited for where they are processes of their own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import uvicorn
from starlette.types import ASGIApp

START_SECONDS = 30


@asynccontextmanager
async def listening(
    app: ASGIApp, sockets: list[socket.socket] | None = None, **config: Any
) -> AsyncGenerator[uvicorn.Server]:
    """`app` served for the length of the block; `config` is uvicorn's."""
    given: dict[str, Any] = {"port": 0, "log_config": None, "access_log": False, "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, **given | config))
    serving = asyncio.create_task(server.serve(sockets=sockets))
    try:
        async with asyncio.timeout(START_SECONDS):
            while not server.started:
                assert not serving.done(), "the server did not start"
                await asyncio.sleep(0.005)
        yield server
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


def port_of(server: uvicorn.Server) -> int:
    """Where it listens."""
    return server.servers[0].sockets[0].getsockname()[1]


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncGenerator[str]:
    """The address at which `app` is served."""
    async with listening(app) as server:
        yield f"http://127.0.0.1:{port_of(server)}"


async def ready(url: str) -> None:
    """Wait until the server at `url` says that it is ready."""
    async with asyncio.timeout(60), httpx2.AsyncClient(trust_env=False) as http:
        while True:
            with suppress(httpx2.TransportError):
                if (await http.get(f"{url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
