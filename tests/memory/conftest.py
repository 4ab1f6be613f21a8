"""A database of memories, an embedder that can be taken away, and the server over HTTP with callers of every role."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.client import ToolClient, tool_client
from servers.kit.database import Pool, open_pool
from servers.kit.errors import Unavailable
from servers.kit.serve import build_app
from servers.memory.drafts import Author, Draft
from servers.memory.server import part
from servers.memory.settings import MemorySettings
from servers.memory.store import MIGRATIONS, MemoryStore
from tests.callers import Agent, Ledger
from tests.fixtures_postgres import Databases
from tests.loopback import served

TALLY, OTHER = "ada/tally", "ada/other"
HELD = {(f"{TALLY}#1", 1), (f"{TALLY}#2", 1), (f"{OTHER}#1", 1)}
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


@dataclass
class Rig:
    """The memory server as others see it."""

    url: str
    key: SigningKey
    stack: AsyncExitStack
    ledger: Ledger

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


Serve = Callable[..., AbstractAsyncContextManager[Rig]]


@pytest.fixture
def serve(memory_url: str, tmp_path: Path) -> Serve:
    """Serves the memories of this test's database."""

    @asynccontextmanager
    async def serving(conductor: ToolClient | None = None) -> AsyncGenerator[Rig]:
        key, ledger = SigningKey.load_or_create(tmp_path / "key.pem"), Ledger(set(HELD))
        settings = MemorySettings(database_url=SecretStr(memory_url), memory_embedder="none")
        app = build_app([part(settings, ledger, conductor)], Verifier.of(key), "http://127.0.0.1:7700")
        async with served(app) as url, AsyncExitStack() as stack:
            yield Rig(url, key, stack, ledger)

    return serving


@pytest.fixture
async def rig(serve: Serve) -> AsyncGenerator[Rig]:
    async with serve() as opened:
        yield opened
