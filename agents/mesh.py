"""The connections of an agent process: every server that the character or the supervisor calls, behind one `call`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from mcp.types import Tool

from agents.assignment import Claim
from agents.patience import patiently
from agents.settings import AgentSettings
from agents.stdio import StdioConnection
from servers.kit.character import Character, HttpServer, StdioServer
from servers.kit.client import Meta, ToolClient
from servers.kit.errors import NotFound
from servers.kit.tls import trusting

OURS = ("conductor", "github")
WORKSPACE = "workspace"
ATTEMPTS = 5


@dataclass
class Identity:
    """Who this process is; a renewed token takes effect with the next call."""

    instance: str
    token: str = field(repr=False)
    boot: str = field(default_factory=lambda: str(uuid4()))


class Connection(Protocol):
    """One server, however it is reached."""

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, meta: Meta | None = None) -> Any: ...
    async def list_tools(self) -> list[Tool]: ...
    async def aclose(self) -> None: ...


class Mesh:
    """Calls tools by server and name; shows the claim, once there is one, to the rig's own servers.

    Attributes:
        leave: What the workspace's commands may do in this run beyond its files, such as hosts that they reach.
    """

    def __init__(self, connections: Mapping[str, Connection], patience_seconds: float) -> None:
        self._connections = connections
        self._patience = patience_seconds
        self._claim: Claim | None = None
        self.leave: Mapping[str, Any] | None = None

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        patience: float | None = None,
        leave: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a tool, again and under the same request id while the server is away.

        Args:
            patience: Seconds to wait for a server that is away; by default as the settings say.
            leave: What commands of the workspace may do this time; by default as `self.leave` says.

        Raises:
            RigError: What the server refused; Unavailable if it stayed away.
        """
        connection = self._connection(server)
        meta: dict[str, Any] = {"rig/request_id": str(uuid4())}
        if self._claim and not isinstance(connection, StdioConnection):
            meta["rig/claim"] = self._claim.model_dump()
        if server == WORKSPACE and (given := leave or self.leave):
            meta["rig/sandbox"] = given
        seconds = self._patience if patience is None else patience
        return await patiently(seconds, lambda: connection.call(tool, arguments, meta))

    async def list_tools(self, server: str, patience: float | None = None) -> list[Tool]:
        """The tools that a server offers us; patience and errors as in `call`."""
        connection = self._connection(server)
        return await patiently(self._patience if patience is None else patience, connection.list_tools)

    def hold(self, claim: Claim) -> None:
        """There is work: show this claim from now on, and have every server ready."""
        self._claim = claim
        for connection in self._connections.values():
            if isinstance(connection, StdioConnection):
                connection.want()

    async def release(self) -> None:
        """The work is over: show no claim, and have no server that remembers it."""
        self._claim = self.leave = None
        await asyncio.gather(*(c.renew() for c in self._connections.values() if isinstance(c, StdioConnection)))

    async def aclose(self) -> None:
        """Close every connection and end the servers that were started for it."""
        await asyncio.gather(*(c.aclose() for c in self._connections.values()), return_exceptions=True)

    def _connection(self, server: str) -> Connection:
        if server not in self._connections:
            raise NotFound(f"There is no server {server}; add it to the character's mcpServers.")
        return self._connections[server]


@asynccontextmanager
async def open_mesh(
    character: Character, settings: AgentSettings, identity: Identity, folder: Path
) -> AsyncGenerator[Mesh]:
    """The connections of `character`; its stdio servers start now, ahead of the work."""
    tls = trusting(settings.ca_file)
    connections: dict[str, Connection] = {name: _ours(name, settings, identity, tls) for name in OURS}
    for name, server in character.mcp_servers.items():
        match server:
            case StdioServer():
                connections[name] = StdioConnection(name, server, folder)
            case HttpServer(url=url) if url:
                connections[name] = ToolClient(url, lambda: "", attempts=ATTEMPTS, foreign=True)
            case HttpServer():
                connections[name] = _ours(name, settings, identity, tls)
    mesh = Mesh(connections, settings.patience_seconds)
    try:
        yield mesh
    finally:
        await mesh.aclose()


def _ours(name: str, settings: AgentSettings, identity: Identity, tls: ssl.SSLContext | None) -> ToolClient:
    # Only the rig's own servers see the token: a URL in a character is somebody else's server.
    return ToolClient(
        settings.servers.get(name) or f"{settings.conductor_url.rstrip('/')}/mcp/{name}",
        lambda: identity.token,
        lambda: {"rig/instance": identity.instance, "rig/boot": identity.boot},
        attempts=ATTEMPTS,
        tls=tls,
    )
