"""Every adapter of a port, as its contract suite sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest

from servers.kit.database import open_pool
from servers.kit.wake import LocalWake, PostgresWake, Wake, background
from servers.kit.wake_valkey import ValkeyWake, open_valkey
from tests.fixtures_postgres import Databases
from tests.fixtures_valkey import Valkey, running
from tests.github.conftest import double as double
from tests.github.conftest import files as files
from tests.github.conftest import open_rig as open_rig
from tests.github.conftest import rig as rig
from tests.memory.conftest import memory_url as memory_url
from tests.memory.conftest import serve as serve


class Bus(Protocol):
    """What carries wake-ups from process to process, and how it fails."""

    def member(self, origin: str) -> AbstractAsyncContextManager[Wake]:
        """One process on the bus, listening."""
        ...

    async def break_connections(self) -> None:
        """Cut every connection; new ones are accepted."""
        ...

    async def stop(self) -> None:
        """Accept nobody any more."""
        ...

    async def start(self) -> None:
        """Accept again."""
        ...


class PostgresBus:
    def __init__(self, databases: Databases, url: str) -> None:
        self._databases, self._url = databases, url
        self._name = url.partition("@/")[2].partition("?")[0]

    @asynccontextmanager
    async def member(self, origin: str) -> AsyncGenerator[Wake]:
        async with open_pool(self._url, size=2) as pool:
            wake = PostgresWake(pool.execute, origin)
            async with background(wake.listen(self._url)):
                yield wake

    async def break_connections(self) -> None:
        await self._databases.disconnect(self._url)

    async def stop(self) -> None:
        await self._databases.administer(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        await self.break_connections()

    async def start(self) -> None:
        await self._databases.administer(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")


class LocalBus:
    """One process, in which nothing can break."""

    def __init__(self) -> None:
        self._wake = LocalWake()

    @asynccontextmanager
    async def member(self, origin: str) -> AsyncGenerator[Wake]:
        yield self._wake

    async def break_connections(self) -> None:
        self._wake.ring_all()

    async def stop(self) -> None: ...

    async def start(self) -> None: ...


class ValkeyBus:
    """Valkey, with PostgreSQL to go on with; it is Valkey that fails."""

    def __init__(self, valkey: Valkey, database_url: str) -> None:
        self._valkey, self._url = valkey, database_url

    @asynccontextmanager
    async def member(self, origin: str, url: str = "") -> AsyncGenerator[Wake]:
        async with open_valkey(url or self._valkey.url) as valkey, open_pool(self._url, size=2) as pool:
            wake = ValkeyWake(valkey, pool.execute, origin)
            async with background(wake.listen(self._url)):
                while not wake.count("listens to PostgreSQL"):
                    await pool.execute("SELECT pg_notify('rig_wake', 'test listens to PostgreSQL')")
                    await asyncio.sleep(0.01)
                yield wake

    async def break_connections(self) -> None:
        async with self._valkey.client() as client:
            for kind in ("pubsub", "normal"):
                await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # pyright: ignore[reportUnknownMemberType]

    async def stop(self) -> None:
        await self._valkey.kill()

    async def start(self) -> None:
        await self._valkey.start()


class BackupBus(ValkeyBus):
    """Valkey away from the start: PostgreSQL carries everything, and it is PostgreSQL that fails."""

    def __init__(self, valkey: Valkey, postgres: PostgresBus, url: str) -> None:
        super().__init__(valkey, url)
        self.break_connections, self.stop, self.start = postgres.break_connections, postgres.stop, postgres.start


@pytest.fixture
async def valkey_bus(valkey: Valkey, databases: Databases) -> AsyncGenerator[ValkeyBus]:
    url = await databases.create()
    yield ValkeyBus(valkey, url)
    await databases.drop(url)


@pytest.fixture(params=["local", "postgres", "valkey", "valkey away"])
async def bus(request: pytest.FixtureRequest, databases: Databases, need: Callable[..., str]) -> AsyncGenerator[Bus]:
    if request.param == "local":
        yield LocalBus()
        return
    url = await databases.create()
    if request.param == "postgres":
        yield PostgresBus(databases, url)
    else:
        async with running(need("valkey-server", "redis-server")) as valkey:
            if request.param == "valkey":
                yield ValkeyBus(valkey, url)
            else:
                await valkey.kill()
                yield BackupBus(valkey, PostgresBus(databases, url), url)
    await databases.drop(url)
