"""A database of memories, an embedder that can be taken away, and the server over HTTP with callers of every role."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.client import ToolClient, tool_client
from servers.kit.database import Pool, open_pool
from servers.kit.errors import Fenced, Unavailable
from servers.kit.serve import build_app
from servers.kit.tools import Caller
from servers.memory.drafts import Author, Draft
from servers.memory.server import part
from servers.memory.settings import MemorySettings
from servers.memory.store import MIGRATIONS, MemoryStore
from tests.fixtures_postgres import Databases

TALLY, OTHER = "ada/tally", "ada/other"
DEV = Author("dev-e", "dev")
OTHER_DEV = Author("dev-f", "dev")
ADA = Author("ada", "person")


class Words:
    """An embedder without a model: texts that share words are near each other."""

    def __init__(self, model: str = "words", dimension: int = 64) -> None:
        self.model = model
        self.dimension = dimension
        self.away = False
        self.asked = 0

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.away:
            raise Unavailable("The embedder was taken away.")
        self.asked += len(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.01] * self.dimension
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % self.dimension] += 1
        return vector


def draft(content: str, author: Author = DEV, repo: str = TALLY, **more: Any) -> Draft:
    return Draft(content=content, author=author, repo=repo, **more)


@pytest.fixture
async def memory_url(databases: Databases) -> AsyncGenerator[str]:
    url = await databases.create((("memory", MIGRATIONS),))
    yield url
    await databases.drop(url)


@pytest.fixture
async def memory_pool(memory_url: str) -> AsyncGenerator[Pool]:
    async with open_pool(memory_url) as opened:
        yield opened


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def store(memory_pool: Pool, words: Words) -> MemoryStore:
    return MemoryStore(memory_pool, words)


class Ledger:
    """The claims that hold, as the conductor would know them."""

    def __init__(self) -> None:
        self.held = {(f"{TALLY}#1", 1), (f"{TALLY}#2", 1), (f"{OTHER}#1", 1)}

    async def require(self, caller: Caller, repository: str) -> None:
        claim = caller.claim
        if caller.is_agent and (claim is None or (claim.issue, claim.fence) not in self.held):
            raise Fenced("Somebody else holds this claim now. Stop.")


@dataclass
class Agent:
    """A caller of the server."""

    client: ToolClient
    claim: dict[str, Any] | None = None

    async def call(self, tool: str, **arguments: Any) -> Any:
        return await self.client.call(tool, arguments, {"rig/claim": self.claim} if self.claim else {})


@dataclass
class Rig:
    """The memory server as others see it."""

    url: str
    key: SigningKey
    stack: AsyncExitStack
    ledger: Ledger = field(default_factory=Ledger)

    async def caller(self, role: Role, claim: str | None = None, name: str = "", fence: int = 1) -> Agent:
        """Somebody of `role`, holding a claim on the issue `claim`."""
        token = self.key.issue(name or f"{role}-e", role, timedelta(hours=1))
        client = await self.stack.enter_async_context(
            tool_client(f"{self.url}/mcp/memory", lambda: token, attempts=1)
        )
        return Agent(client, {"issue": claim, "fence": fence} if claim else None)

    async def dev(self, issue: str = f"{TALLY}#1", name: str = "dev-e") -> Agent:
        return await self.caller("dev", issue, name)

    async def person(self) -> Agent:
        return await self.caller("person", name="ada")


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """The address at which `app` is served on this loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(15):
            while not server.started:  # noqa: ASYNC110 - uvicorn says so in no other way
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


Serve = Callable[..., AbstractAsyncContextManager[Rig]]


@pytest.fixture
def serve(memory_url: str, tmp_path: Path) -> Serve:
    """Serves the memories of this test's database."""

    @asynccontextmanager
    async def serving(conductor: ToolClient | None = None) -> AsyncGenerator[Rig]:
        key, ledger = SigningKey.load_or_create(tmp_path / "key.pem"), Ledger()
        settings = MemorySettings(database_url=SecretStr(memory_url), memory_embedder="none")
        app = build_app([part(settings, ledger, conductor)], Verifier.of(key), "http://127.0.0.1:7700")
        async with served(app) as url, AsyncExitStack() as stack:
            yield Rig(url, key, stack, ledger)

    return serving


@pytest.fixture
async def rig(serve: Serve) -> AsyncGenerator[Rig]:
    async with serve() as opened:
        yield opened
