"""A server of the rig with a few tools, served over real HTTP."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol

import httpx2
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.client import ToolClient, tool_client
from servers.kit.errors import Fenced
from servers.kit.serve import Part, build_app
from servers.kit.tools import DESTRUCTIVE, READ, WRITE, CallerDep, Toolbox, state_of
from tests.loopback import listening

ROOT = Path(__file__).parents[2]
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
    async with listening(app, port=int(url.rpartition(":")[2])) as server:
        yield Served(url, key, state, server, reasons)


class Program:
    """The sample as a process of its own, which can be killed and started again on its port."""

    def __init__(self, folder: Path, port: int, grace: int, *arguments: str) -> None:
        self.url, self._keyfile = f"http://127.0.0.1:{port}", folder / "key.pem"
        self._arguments = [str(port), str(self._keyfile), str(grace), *arguments]
        self.port = port
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.kit.sample", *self._arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def token(self) -> str:
        return SigningKey.load_or_create(self._keyfile).issue("dev-e", "dev", timedelta(hours=1))

    def client(self, **options: Any) -> AbstractAsyncContextManager[ToolClient]:
        token = self.token()
        return tool_client(f"{self.url}/mcp/sample", lambda: token, **options)

    async def answers(self) -> None:
        """Wait until it serves."""
        async with httpx2.AsyncClient() as http, asyncio.timeout(30):
            while True:
                try:
                    await http.get(f"{self.url}/healthz")
                except httpx2.HTTPError:
                    assert self.process.poll() is None, self.said()
                    await asyncio.sleep(0.02)
                else:
                    return

    def said(self) -> str:
        """What it wrote until its end."""
        return self.process.communicate(timeout=30)[1]


class Start(Protocol):
    def __call__(self, *arguments: str, grace: int = 2, port: int | None = None) -> Program: ...


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    started: list[Program] = []

    def program(*arguments: str, grace: int = 2, port: int | None = None) -> Program:
        started.append(Program(tmp_path, port or free_port(), grace, *arguments))
        return started[-1]

    yield program
    for each in started:
        each.process.kill()
        each.process.communicate()
