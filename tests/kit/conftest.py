"""A server of the rig with a few tools, served over real HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve
from starlette.applications import Starlette

from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.client import ToolClient, tool_client
from servers.kit.errors import Fenced
from servers.kit.serve import Part, build_app
from servers.kit.tools import DESTRUCTIVE, READ, WRITE, CallerDep, Toolbox, state_of

tools = Toolbox("sample", "A sample.")


@dataclass
class State:
    """What the sample's tools work on."""

    calls: int = 0
    parked: int = 0
    cancelled: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)


async def _state(ctx: Context[Any, Any]) -> State:
    return state_of(ctx)


StateDep = Annotated[State, Resolve(_state)]


@tools.tool(READ)
async def who(caller: CallerDep) -> dict[str, Any]:
    """Say who calls."""
    return {
        "subject": caller.subject,
        "role": caller.role,
        "instance": caller.instance,
        "boot": caller.boot,
        "request_id": caller.request_id,
        "fence": caller.claim.fence if caller.claim else None,
        "token_id": caller.token_id,
    }


@tools.tool(READ)
async def echo(text: str) -> str:
    """Say the same."""
    return text


@tools.tool(WRITE)
async def count(state: StateDep, by: int = 1) -> dict[str, int]:
    """Count calls."""
    state.calls += by
    return {"calls": state.calls}


@tools.tool(READ)
async def park(state: StateDep) -> dict[str, bool]:
    """Wait until released."""
    state.parked += 1
    try:
        await state.release.wait()
    except asyncio.CancelledError:
        state.cancelled += 1
        raise
    return {"released": True}


@tools.tool(DESTRUCTIVE, roles={"ops", "person"})
async def danger() -> dict[str, bool]:
    """Do what few may do."""
    return {"done": True}


@tools.tool(WRITE)
async def refuse() -> dict[str, bool]:
    """Refuse."""
    raise Fenced("Somebody else has it. Stop.")


@tools.tool(WRITE)
async def crash() -> dict[str, bool]:
    """Crash."""
    raise ValueError("postgresql://rig:s3cr3t-pass@db/rig")


@dataclass
class Served:
    """The sample as it is being served."""

    url: str
    key: SigningKey
    state: State
    server: uvicorn.Server
    ready: list[str] = field(default_factory=list[str])

    def token(self, role: Role = "dev", subject: str = "dev-e", seconds: float = 600) -> str:
        return self.key.issue(subject, role, timedelta(seconds=seconds))

    def client(self, role: Role = "dev", **options: Any) -> AbstractAsyncContextManager[ToolClient]:
        token = self.token(role)
        return tool_client(f"{self.url}/mcp/sample", lambda: token, **{"attempts": 2, **options})


@asynccontextmanager
async def running(app: Starlette, port: int) -> AsyncGenerator[uvicorn.Server]:
    """An app on loopback for the length of the block."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(15):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
            await asyncio.sleep(0.005)
    try:
        yield server
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture
def key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


@pytest.fixture
async def served(key: SigningKey) -> AsyncGenerator[Served]:
    """The sample server, with its state in reach."""
    state, url = State(), f"http://127.0.0.1:{free_port()}"
    reasons: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncGenerator[State]:
        yield state

    async def ready(_: State) -> str | None:
        return reasons[0] if reasons else None

    app = build_app([Part(tools, opened, ready=ready)], Verifier.of(key), url, hosts=["rig.example.com"])
    async with running(app, int(url.rpartition(":")[2])) as server:
        yield Served(url, key, state, server, reasons)
