"""The HTTP server of `rig up`: on a socket that is bound before the app exists, ended by us and not by signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette

from servers.kit.errors import Conflict, Unavailable
from servers.kit.serve import reason_in, watched

GRACE_SECONDS = 5


def bind(host: str, port: int) -> socket.socket:
    """Take the port now, so that its number is known and nobody else can take it.

    Raises:
        Conflict: The port or address is not free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Conflict(
            f"{host}:{port} cannot be listened on ({error.strerror}). Set RIG_HOST or RIG_PORT."
        ) from error
    # Connections inherit it; asyncio sets it only where a socket names its protocol, and else answers lag by 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Leaves the signals to `rig up`, which has agents to end before the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Served:
    """An app that is being served on a bound socket.

    Attributes:
        failed: Set when what the app opened breaks down, which uvicorn itself would survive.
    """

    def __init__(self, app: Starlette, on: socket.socket) -> None:
        self.failed = asyncio.Event()
        self._failures: list[BaseException] = []
        config = uvicorn.Config(
            watched(app, self._broke_down),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            lifespan="on",
        )
        self._server = _Server(config)
        self._socket = on
        self._task: asyncio.Task[None] | None = None

    @property
    def task(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return self._task

    async def ready(self) -> None:
        """Wait until it answers.

        Raises:
            RigError: It ended instead, and why; Unavailable where the log says why.
        """
        while not self._server.started:
            if self.task.done():
                await self.task
                unknown = Unavailable("The servers did not start; the log above says why.")
                raise reason_in(self._failures, self._failures[0] if self._failures else unknown)
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        with contextlib.suppress(SystemExit):  # so ends uvicorn what cannot start; `ready` says why
            await self._server.serve(sockets=[self._socket])

    def _broke_down(self, error: BaseException) -> None:
        self._failures.append(error)
        self.failed.set()

    async def stop(self) -> None:
        """Let requests in flight finish for a few seconds, then end."""
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
