"""Every adapter of a port, as its contract suite sees it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from servers.kit.database import open_pool
from servers.kit.wake import PostgresWake, Wake, background
from servers.kit.wake_valkey import ValkeyWake
from tests.fixtures_postgres import Databases
from tests.kit.conftest import free_port


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


class ValkeyBus:
    def __init__(self, program: str, folder: Path) -> None:
        self._port = free_port()
        self._command = [
            program,
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self._port)

    @asynccontextmanager
    async def member(self, origin: str) -> AsyncGenerator[Wake]:
        async with self.client() as valkey:
            wake = ValkeyWake(valkey, origin)
            async with background(wake.listen()):
                yield wake

    async def break_connections(self) -> None:
        async with self.client() as valkey:
            for kind in ("pubsub", "normal"):
                await valkey.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # pyright: ignore[reportUnknownMemberType]

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def start(self) -> None:
        self._process = await asyncio.to_thread(subprocess.Popen, self._command, stdout=subprocess.DEVNULL)
        async with asyncio.timeout(15), self.client() as valkey:
            while True:
                try:
                    await valkey.ping()  # pyright: ignore[reportUnknownMemberType]
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
                else:
                    return


@pytest.fixture(params=["postgres", "valkey"])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bus]:
    if request.param == "postgres":
        databases: Databases = request.getfixturevalue("databases")
        url = await databases.create()
        yield PostgresBus(databases, url)
        await databases.drop(url)
    else:
        need: Callable[..., str] = request.getfixturevalue("need")
        valkey = ValkeyBus(need("valkey-server", "redis-server"), tmp_path)
        await valkey.start()
        yield valkey
        await valkey.stop()
