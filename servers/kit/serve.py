"""Serves one or several MCP servers in one Starlette app, or one over stdio."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.loops.auto import auto_loop_factory

from servers.kit import logs
from servers.kit.auth import Verifier
from servers.kit.errors import RigError, Unavailable, leaves
from servers.kit.express import Express, Lane
from servers.kit.garbage import look_seldom
from servers.kit.tools import Toolbox


async def _always_ready(_: Any) -> str | None:
    return None


@dataclass
class Part:
    """One server as it is mounted.

    Attributes:
        toolbox: Its tools.
        open: Opens what the tools work on (pool, clients, background work) for the life of the process.
        routes: Its pages and REST; handlers find the opened state at `request.app.state.<name>`.
        ready: None, or why it cannot serve right now.
        extend: Adds resources and prompts to the MCP server.
        front: Sees requests before they are routed, and answers those that it knows.
    """

    toolbox: Toolbox
    open: Callable[[], AbstractAsyncContextManager[Any]]
    routes: Sequence[BaseRoute] = ()
    ready: Callable[[Any], Awaitable[str | None]] = _always_ready
    extend: Callable[[MCPServer[Any]], None] = field(default=lambda _: None)
    front: Callable[[ASGIApp], ASGIApp] | None = None

    @property
    def name(self) -> str:
        return self.toolbox.name

    def mcp(self, state: Callable[[], Any], auth: AuthSettings | None, verifier: Verifier | None) -> MCPServer[Any]:
        """The MCP server, whose lifespan hands out what `open` yielded."""

        @asynccontextmanager
        async def lifespan(_: MCPServer[Any]) -> AsyncGenerator[Any]:
            yield state()

        server = self.toolbox.server(
            f"rig-{self.name}",
            instructions=self.toolbox.instructions,
            version=version("engineering-rig"),
            lifespan=lifespan,
            auth=auth,
            token_verifier=verifier,
            log_level="WARNING",
        )
        self.extend(server)
        return server


def build_app(parts: Sequence[Part], verifier: Verifier, base_url: str, hosts: Sequence[str] = ()) -> Starlette:
    """One app that serves every part at `/mcp/<name>`, with `/healthz` and `/readyz`.

    Args:
        base_url: Where clients reach the app; part of the RFC 9728 metadata.
        hosts: Further host names (`name` or `name:port`) that requests may address.
    """
    states: dict[str, Any] = {}
    security = _transport_security(base_url, hosts)
    servers = [
        (part, part.mcp(lambda p=part: states[p.name], _auth(base_url, part.name), verifier)) for part in parts
    ]
    routes: list[BaseRoute] = []
    middleware: list[Middleware] = []
    for part, server in servers:
        app = server.streamable_http_app(
            streamable_http_path=f"/mcp/{part.name}", stateless_http=True, transport_security=security
        )
        routes += [*app.routes, *part.routes]
        middleware = [*app.user_middleware]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for part, _ in servers:
                states[part.name] = await stack.enter_async_context(part.open())
                setattr(app.state, part.name, states[part.name])
            for _, server in servers:
                await stack.enter_async_context(server.session_manager.run())
            yield

    routes += _health_routes(parts, states)
    lanes = {f"/mcp/{part.name}": Lane(part.toolbox, lambda p=part: states[p.name]) for part in parts}
    fronts = [Middleware(part.front) for part in parts if part.front]
    express = Middleware(Express, lanes=lanes, verifier=verifier, security=security)
    return Starlette(routes=routes, middleware=[*fronts, express, *middleware], lifespan=lifespan)


def _auth(base_url: str, name: str) -> AuthSettings:
    return AuthSettings(
        issuer_url=AnyHttpUrl(base_url),
        resource_server_url=AnyHttpUrl(f"{base_url.rstrip('/')}/mcp/{name}"),
        validate_token_resource=False,  # one audience for the whole rig, checked by the verifier
    )


def _transport_security(base_url: str, hosts: Sequence[str]) -> TransportSecuritySettings:
    own = urlsplit(base_url).netloc
    allowed = ["127.0.0.1:*", "localhost:*", "[::1]:*", own, *hosts]
    origins = [f"{scheme}://{host}" for host in allowed for scheme in ("http", "https")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=allowed, allowed_origins=origins
    )


def _health_routes(parts: Sequence[Part], states: dict[str, Any]) -> list[BaseRoute]:
    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": version("engineering-rig")})

    async def readyz(_: Request) -> JSONResponse:
        reasons = {p.name: await p.ready(states[p.name]) for p in parts}
        waiting = {name: reason for name, reason in reasons.items() if reason}
        return JSONResponse({"ready": not waiting, "waiting_for": waiting}, status_code=503 if waiting else 200)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


class _Server(uvicorn.Server):
    """Ends after a signal like any other program that is done, instead of by that signal."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def settle() -> None:
    """Have the garbage collector leave alone what a server has opened, and look less often at what comes and goes.

    It would walk the whole process, schemas and all, in the middle of requests.
    """
    gc.collect()
    gc.freeze()
    look_seldom()


def watched(app: ASGIApp, broke_down: Callable[[BaseException], None]) -> ASGIApp:
    """`app`, which tells when what it opened breaks down: uvicorn would go on serving without it."""

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {"type": message["type"]}  # without the traceback, for `broke_down` gets the error
            if message["type"] == "lifespan.startup.complete":
                settle()
            await send(message)

        try:
            await app(scope, receive, sending if scope["type"] == "lifespan" else send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                broke_down(error)
            raise

    return watching


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a server that is a process of its own, on uvloop: a call costs it a quarter less than on the plain loop."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main)


def ended(serving: Callable[[], None]) -> int:
    """How a process ends that serves: what is wrong with its settings is said in one line and ends it with 2."""
    try:
        serving()
    except RigError as error:
        logs.configure()
        logs.get(__name__).error(str(error), code=error.code())
        return 2
    return 0


async def serve_http(app: Starlette, host: str, port: int, grace_seconds: int = 10) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight get `grace_seconds` to finish.

    Raises:
        RigError: A part could not be opened or broke down; Unavailable where the log says why.
    """
    failures: list[BaseException] = []

    def broke_down(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    server = _Server(
        uvicorn.Config(
            watched(app, broke_down),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=grace_seconds,
        )
    )
    try:
        await server.serve()
    except SystemExit as error:
        unknown = failures[0] if failures else Unavailable(f"{host}:{port} cannot be served; the log says why.")
        raise reason_in(failures, unknown) from error
    if failures:
        raise reason_in(failures, failures[0])


def reason_in(failures: Sequence[BaseException], otherwise: BaseException) -> BaseException:
    """The rig's own error among what broke down; `otherwise` where there is none."""
    found = (leaf for failure in failures for leaf in leaves(failure) if isinstance(leaf, RigError))
    return next(found, otherwise)


async def serve_stdio(part: Part) -> None:
    """Serve one part to the process that holds our standard input and output."""
    async with part.open() as state:
        await part.mcp(lambda: state, None, None).run_stdio_async()
