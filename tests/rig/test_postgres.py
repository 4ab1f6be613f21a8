from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from rig.embedded.cluster import Cluster
from rig.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, and open to the account that PostgreSQL runs as."""
    with tempfile.TemporaryDirectory(prefix="rig-test-") as path:
        Path(path).chmod(0o711)
        yield Path(path) / "postgres"


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def ask_until_answered(url: str, query: str) -> object:
    async with asyncio.timeout(20):
        while True:
            try:
                return await ask(url, query)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)


async def test_it_serves_a_database_with_pgvector_to_a_role_that_is_no_superuser(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as postgres:
        assert await ask(postgres.url, "SELECT '[1,2,3]'::vector <-> '[1,2,3]'::vector") == 0.0
        assert await ask(postgres.url, "SHOW is_superuser") == "off"
        assert await ask(postgres.url, "SHOW fsync") == "on"
        assert await ask(postgres.url, "SHOW listen_addresses") == ""


async def test_a_wrong_password_is_refused_and_socket_and_passwords_are_private(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as postgres:
        password = (folder / "rig.password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(postgres.url.replace(password, "wrong"), "SELECT 1")
        assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "rig.password").stat().st_mode) == 0o600


async def test_data_survives_a_stop_and_a_start(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as postgres:
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 7 AS n")
    async with EmbeddedPostgres(folder) as postgres:
        assert await ask(postgres.url, "SELECT n FROM kept") == 7


async def test_it_comes_back_by_itself_after_a_kill(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as postgres:
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 7 AS n")
        killed = postgres.pid
        os.kill(killed, signal.SIGKILL)
        assert await ask_until_answered(postgres.url, "SELECT n FROM kept") == 7
        assert postgres.pid != killed


@pytest.mark.parametrize("left", ["data/postmaster.pid", "run/.s.PGSQL.5432.lock"])
async def test_a_stale_lock_that_names_another_program_is_forgotten(folder: Path, left: str) -> None:
    async with EmbeddedPostgres(folder):
        pass
    account = Cluster.at(folder).child_arguments()
    other = await asyncio.create_subprocess_exec("sleep", "60", **account)
    try:
        (folder / left).write_text(f"{other.pid}\n{folder / 'data'}\n")
        async with EmbeddedPostgres(folder) as postgres:
            assert await ask(postgres.url, "SELECT 1") == 1
    finally:
        other.kill()
        await other.wait()


OWNER = """
import asyncio, pathlib, sys
from rig.embedded.postgres import EmbeddedPostgres
async def main():
    async with EmbeddedPostgres(pathlib.Path(sys.argv[1])) as postgres:
        print(postgres.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_the_server_of_a_killed_owner_is_taken_over(folder: Path) -> None:
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, str(folder), stdout=subprocess.PIPE)
    assert owner.stdout is not None
    orphan = int(await asyncio.wait_for(owner.stdout.readline(), 30))
    owner.kill()
    await owner.wait()
    async with EmbeddedPostgres(folder) as postgres:
        assert postgres.pid != orphan
        assert await ask(postgres.url, "SELECT 1") == 1


async def test_a_long_folder_name_still_gives_a_socket(folder: Path) -> None:
    deep = folder.parent / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    for path in (deep, deep.parent):
        path.chmod(0o711)
    async with EmbeddedPostgres(deep / "postgres") as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1
