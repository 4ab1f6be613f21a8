"""A server that is started beside the agent, and the task that holds the connection to it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from mcp import Client, MCPError, StdioServerParameters
from mcp.types import CONNECTION_CLOSED, CallToolResult, Tool

from servers.kit.character import StdioServer
from servers.kit.client import Meta, answer_of
from servers.kit.errors import InvalidInput, Unavailable
from servers.kit.logs import get

log = get(__name__)
PYTHONS = ("python", "python3")
START_SECONDS = 60
# How commands are confined is for whoever runs the machine to say, and no secret.
OPERATORS = (
    "RIG_SANDBOX", "RIG_COMMAND_PROCESSES", "RIG_COMMAND_MEMORY_MB", "RIG_COMMAND_DISK_MB", "RIG_REGISTRY_HOSTS",
    "RIG_COMMAND_ENV",
)  # fmt: skip
POLICY = "RIG_GUARD_POLICY"
WARM_UP_SECONDS = 0.5


class StdioConnection:
    """Starts the server, and again with the next call after it died.

    Args:
        folder: Where the server starts; `<folder>/tree` is its workspace and working directory.
        delay: Seconds after which it starts if nobody wants it before.
    """

    def __init__(self, name: str, server: StdioServer, folder: Path, delay: float = 0) -> None:
        self._name = name
        self._parameters = _parameters(server, folder)
        self._keep = server.keep
        self._start(delay)

    def want(self) -> None:
        """Start now if that did not happen yet."""
        self._wanted.set()

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, meta: Meta | None = None) -> Any:
        """Call a tool as `ToolClient.call` does; Unavailable if the server ends meanwhile."""
        return answer_of(cast(CallToolResult, await self._ask("call_tool", tool, dict(arguments or {}), meta=meta)))

    async def list_tools(self) -> list[Tool]:
        """The tools that the server offers."""
        return (await self._ask("list_tools")).tools

    async def renew(self) -> None:
        """End the server, so that the next run meets a fresh one; unless it may be kept and answered every call."""
        if self._keep and not self._given_up and not self._task.done():
            return
        await self.aclose()
        self._start(WARM_UP_SECONDS)  # who still works has the machine first

    async def aclose(self) -> None:
        """End the server."""
        self._leave.set()
        self._wanted.set()
        with suppress(Exception):
            await self._task

    def _start(self, delay: float = 0) -> None:
        self._delay, self._given_up = delay, False
        self._leave, self._wanted = asyncio.Event(), asyncio.Event()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(self._client, self._leave), name=f"server {self._name}")

    async def _hold(self, ready: asyncio.Future[Client], leave: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), self._delay)
        if leave.is_set():
            return
        # A client must be closed by the task that opened it, whoever's call is cancelled meanwhile.
        try:
            async with Client(self._parameters, cache=None) as client:
                ready.set_result(client)
                await leave.wait()
        except Exception as error:  # noqa: BLE001 - whatever ends the connection becomes the caller's error
            log.warning("the connection to a server ended", server=self._name, error=repr(error))
            if not ready.done():
                ready.set_exception(Unavailable(f"The server {self._name} does not start ({error})."))
                ready.exception()

    async def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if self._task.done():
            self._start()
        self.want()
        client = await self._connected()
        try:
            return await getattr(client, method)(*args, **kwargs)
        except asyncio.CancelledError:
            self._given_up = True  # the server may still be at it
            raise
        except MCPError as error:
            if error.error.code != CONNECTION_CLOSED:
                raise InvalidInput(f"{self._name} refused the call: {error}.") from error
            await self.aclose()
            raise Unavailable(f"The server {self._name} ended during the call; call again.") from error

    async def _connected(self) -> Client:
        try:
            async with asyncio.timeout(START_SECONDS):
                return await asyncio.shield(self._client)
        except TimeoutError as error:
            raise Unavailable(f"The server {self._name} did not answer within {START_SECONDS} s.") from error


def operators_policy() -> Path | None:
    """The file that makes the guard's policy stricter for every agent; who reads it may start elsewhere."""
    given = os.environ.get(POLICY)
    return Path(given).absolute() if given else None


def _parameters(server: StdioServer, folder: Path) -> StdioServerParameters:
    # A bare `python` means ours: the rig's servers are installed there and perhaps nowhere else.
    command = sys.executable if server.command in PYTHONS else server.command
    tree = folder / "tree"
    limits = {name: os.environ[name] for name in OPERATORS if name in os.environ}
    if policy := operators_policy():
        limits[POLICY] = str(policy)
    env = {"RIG_WORKSPACE": str(tree), "RIG_DATA_DIR": str(folder), **limits, **server.env}
    return StdioServerParameters(command=command, args=server.args, env=env, cwd=tree)
