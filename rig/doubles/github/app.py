"""The double put together: one world, one Starlette app, one server on a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rig.doubles.github import admin, git_http
from rig.doubles.github.auth import Viewer
from rig.doubles.github.ci import Ci
from rig.doubles.github.errors import Refused, not_found
from rig.doubles.github.faults import FaultMiddleware, Faults
from rig.doubles.github.graphql import endpoint as graphql
from rig.doubles.github.model import now
from rig.doubles.github.rest import (
    apps,
    checks,
    contents,
    deployments,
    issues,
    pulls,
    relations,
    repos,
    reviews,
    search,
    teams,
)
from rig.doubles.github.seeds import Seed, plant
from rig.doubles.github.state import World
from rig.doubles.github.webhooks import Webhooks
from rig.doubles.listening import address, bind, serving

PARTS = (apps, search, teams, issues, relations, reviews, pulls, checks, deployments, contents, repos)


def build_world(url: str, data: Path) -> World:
    world = World(url, data)
    world.webhooks, world.ci, world.faults = Webhooks(world), Ci(world), Faults()
    return world


async def missing(request: Request, problem: Exception) -> Response:
    """What the double has no word for is said loudly, so that nobody takes it for GitHub's answer."""
    if request.url.path.startswith("/api/v3/"):
        unknown = Refused(501, f"This double does not answer {request.method} {request.url.path}")
        return JSONResponse(unknown.body(), 501)
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


@dataclass(frozen=True)
class Running:
    url: str
    world: World


@asynccontextmanager
async def running(data: Path, port: int = 0, seed: Seed | None = None) -> AsyncGenerator[Running]:
    """The double, listening on loopback until the block ends."""
    with bind(port) as listener:
        url = address(listener)
        world = build_world(url, data)
        async with serving(build_app(world), listener):
            try:
                await plant(world, seed or Seed())
                yield Running(url, world)
            finally:
                await _stop(world)


async def _stop(world: World) -> None:
    for task in list(world.background):
        task.cancel()
    await asyncio.gather(*world.background, return_exceptions=True)
    await world.webhooks.close()
