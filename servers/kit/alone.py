"""A server that is a process of its own: where it listens, over what, and how it reaches the conductor."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from pydantic import Field, SecretStr

from servers.kit import logs
from servers.kit.auth import Verifier
from servers.kit.client import ToolClient, tool_client
from servers.kit.serve import Part, build_app, serve_http, serve_stdio
from servers.kit.settings import RigSettings


class AloneSettings(RigSettings):
    """Where a server listens when it runs by itself, and how it reaches the conductor."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(ge=0, le=65535, description="Port to listen on")
    base_url: str = Field(default="", description="Where clients reach this server, if not at that address")
    conductor_url: str = Field(default="http://127.0.0.1:7700", description="The conductor's base address")
    token: SecretStr = Field(default=SecretStr(""), description="Token of the role service, for asking the conductor")
    log_level: str = Field(default="INFO", description="Lowest level of log lines shown")

    @property
    def conductor(self) -> str:
        """The conductor's base address, to put a path behind."""
        return self.conductor_url.rstrip("/")


@asynccontextmanager
async def conductor_of(alone: AloneSettings) -> AsyncGenerator[ToolClient]:
    """The conductor's tools."""
    async with tool_client(f"{alone.conductor}/mcp/conductor", alone.token.get_secret_value) as client:
        yield client


def wants_stdio(arguments: list[str] | None) -> bool:
    """Whether a server is to speak to whoever started it; the process's own arguments count where none are given."""
    return "--stdio" in (sys.argv[1:] if arguments is None else arguments)


def configure_logs(level: str, *, stdio: bool) -> None:
    """Log at this level; over stdio only warnings, for whoever started it reads along."""
    logs.configure("WARNING" if stdio else level)


async def serve_alone(alone: AloneSettings, part: Callable[[ToolClient], Part], *, stdio: bool = False) -> None:
    """Serve the part that is made with the conductor's tools: over HTTP, or to whoever started it."""
    async with conductor_of(alone) as client:
        if stdio:
            await serve_stdio(part(client))
            return
        verifier = Verifier.at(f"{alone.conductor}/.well-known/jwks.json")
        base_url = alone.base_url or f"http://{alone.host}:{alone.port}"
        await serve_http(build_app([part(client)], verifier, base_url), alone.host, alone.port)
