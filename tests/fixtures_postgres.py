"""One PostgreSQL for the whole run, and a fresh database in it for each test that asks for one."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest

from rig.embedded.cluster import Cluster
from servers.kit.database import LOST, Pool, migrate, open_pool

T = TypeVar("T")
CONDUCTOR = Path(__file__).parents[1] / "conductor" / "migrations"
FAST = ["--fsync=off", "--synchronous_commit=off", "--full_page_writes=off", "--max_connections=200"]
START_SECONDS = 30.0
Migrations = tuple[tuple[str, Path], ...]


@dataclass
class Databases:
    """Makes databases of the role `rig`, which is no superuser, each a copy of a migrated template."""

    cluster: Cluster
    templates: dict[Migrations, str] = field(default_factory=dict[Migrations, str])

    async def create(self, migrations: Migrations = ()) -> str:
        """The URL of a new database that has pgvector and the migrations `(name, folder)`."""
        if migrations not in self.templates:
            template = await self._copy("template1")
            async with open_pool(self.url(template), size=1) as pool:
                for name, folder in migrations:
                    await migrate(pool, folder, name=name)
            self.templates[migrations] = template
        return self.url(await self._copy(self.templates[migrations]))

    async def drop(self, url: str) -> None:
        """Remove a database that `create` made, whoever is still connected to it."""
        await self.administer(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    async def disconnect(self, url: str) -> None:
        """Break every connection to a database."""
        connection = await asyncpg.connect(self.cluster.url("postgres", "postgres"))
        try:
            every = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
            await connection.execute(every, _name(url))
        finally:
            await connection.close()

    def url(self, database: str) -> str:
        return self.cluster.url("rig", database)

    async def administer(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        connection = await asyncpg.connect(self.cluster.url("postgres", database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def _copy(self, template: str) -> str:
        name = f"test_{uuid4().hex}"
        await self.administer(f"CREATE DATABASE {name} OWNER rig TEMPLATE {template} STRATEGY file_copy")
        return name


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture(scope="session")
def databases() -> Generator[Databases]:
    """A running PostgreSQL that forgets everything at a power cut and is gone after the run."""
    with tempfile.TemporaryDirectory(prefix="rig-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the account that PostgreSQL runs as must get through
        cluster = Cluster.at(Path(folder) / "postgres")
        _in_a_thread(cluster.prepare())
        server = subprocess.Popen([*cluster.command, *FAST], stderr=subprocess.DEVNULL, **cluster.child_arguments())
        try:
            databases = Databases(cluster)
            _in_a_thread(_answers(databases))
            yield databases
        finally:
            server.kill()
            server.wait()


async def _answers(databases: Databases) -> None:
    role = f"CREATE ROLE rig LOGIN PASSWORD '{databases.cluster.password('rig')}'"
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await databases.administer(role)
                break
            except (*LOST, asyncpg.PostgresError):
                await asyncio.sleep(0.02)
    await databases.administer("CREATE EXTENSION vector", database="template1")


def _in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    # asyncio.run would take away the event loop that pytest-asyncio has set for this thread
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@asynccontextmanager
async def _fresh(databases: Databases, migrations: Migrations) -> AsyncGenerator[str]:
    url = await databases.create(migrations)
    try:
        yield url
    finally:
        await databases.drop(url)


@pytest.fixture
async def empty_database_url(databases: Databases) -> AsyncGenerator[str]:
    """A database with nothing but pgvector."""
    async with _fresh(databases, ()) as url:
        yield url


@pytest.fixture
async def database_url(databases: Databases) -> AsyncGenerator[str]:
    """A database as the conductor has it."""
    async with _fresh(databases, (("conductor", CONDUCTOR),)) as url:
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    """Connections to a database as the conductor has it."""
    async with open_pool(database_url) as opened:
        yield opened
