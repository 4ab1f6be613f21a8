"""The double put together: one world, one Starlette app, one server on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rig.doubles.github import admin, git_http
from rig.doubles.github.auth import Viewer
from rig.doubles.github.ci import Ci
from rig.doubles.github.errors import not_found
from rig.doubles.github.faults import FaultMiddleware, Faults
from rig.doubles.github.graphql import endpoint as graphql
from rig.doubles.github.model import now
from rig.doubles.github.rest import apps, checks, contents, issues, pulls, repos, reviews, search
from rig.doubles.github.seeds import Seed, plant
from rig.doubles.github.state import World
from rig.doubles.github.webhooks import Webhooks

PARTS = (apps, search, issues, reviews, pulls, checks, contents, repos)


def build_world(url: str, data: Path) -> World:
    world = World(url, data)
    world.webhooks, world.ci, world.faults = Webhooks(world), Ci(world), Faults()
    return world


async def missing(request: Request, problem: Exception) -> Response:
    return JSONResponse(not_found().body(), 404)


def build_app(world: World) -> ASGIApp:
    rest = [route for part in PARTS for route in part.routes]
    handlers = {404: missing, 405: missing}
    app = Starlette(routes=[*admin.routes, *graphql.routes, *rest, *git_http.routes], exception_handlers=handlers)
    app.state.world, app.state.used = world, dict[str, int]()
    return FaultMiddleware(Recorder(app, world), world.faults)


class Recorder:
    """Keeps what was asked, by whom, and what came of it."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_double/"):
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope.setdefault("state", {})
        try:
            await self.app(scope, receive, watch)
        finally:
            viewer: Viewer = scope["state"].get("viewer", Viewer())
            self.world.requests.append(
                {
                    "at": now().isoformat(),
                    "method": scope["method"],
                    "path": scope["path"],
                    "query": scope["query_string"].decode(),
                    "login": viewer.login,
                    "status": status,
                    "milliseconds": round((time.monotonic() - began) * 1000, 1),
                }
            )


class QuietServer(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass(frozen=True)
class Running:
    url: str
    world: World


@asynccontextmanager
async def running(data: Path, port: int = 0, seed: Seed | None = None) -> AsyncGenerator[Running]:
    """The double, listening on loopback until the block ends."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        world = build_world(url, data)
        config = uvicorn.Config(
            build_app(world), lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = QuietServer(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await plant(world, seed or Seed())
            yield Running(url, world)
        finally:
            server.should_exit = True
            await serving
            await _stop(world)


async def _stop(world: World) -> None:
    for task in list(world.background):
        task.cancel()
    await asyncio.gather(*world.background, return_exceptions=True)
    await world.webhooks.close()
