"""Migrations run once and in order, queries have names, and a lost database is said to be lost."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pgvector import Vector

from servers.kit.database import LOST, Pool, load_queries, migrate, open_pool
from servers.kit.errors import InvalidInput, Unavailable
from tests.fixtures_postgres import Databases
from tests.fixtures_waiting import Eventually

MIGRATE = """if True:
    import asyncio, json, pathlib, sys
    from servers.kit.database import migrate, open_pool
    async def main():
        async with open_pool(sys.argv[1], size=1) as pool:
            sys.stdin.read()
            print("\\n" + json.dumps(await migrate(pool, pathlib.Path(sys.argv[2]), name="x")))
    asyncio.run(main())
"""


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncGenerator[Pool]:
    async with open_pool(empty_database_url) as pool:
        yield pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_things.sql").write_text("CREATE TABLE things (id int PRIMARY KEY); SELECT pg_sleep(0.1);")
    (tmp_path / "0002_names.sql").write_text("ALTER TABLE things ADD COLUMN name text;")
    return tmp_path


async def test_migrations_run_once_and_in_order(empty: Pool, folder: Path) -> None:
    assert await migrate(empty, folder, name="x") == ["0001_things.sql", "0002_names.sql"]
    assert await migrate(empty, folder, name="x") == []
    (folder / "0003_more.sql").write_text("INSERT INTO things VALUES (1, 'one');")
    assert await migrate(empty, folder, name="x") == ["0003_more.sql"]
    assert await empty.fetchval("SELECT name FROM things") == "one"


async def test_two_servers_migrate_one_database_apart(empty: Pool, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "0001_others.sql").write_text("CREATE TABLE others ();")
    await migrate(empty, folder, name="x")
    assert await migrate(empty, other, name="y") == ["0001_others.sql"]


async def test_four_processes_that_start_together_migrate_once(empty_database_url: str, folder: Path) -> None:
    command = [sys.executable, "-c", MIGRATE, empty_database_url, str(folder)]
    started = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE) for _ in range(4)]
    async with asyncio.timeout(60):
        said = await asyncio.gather(*(process.communicate(b"") for process in started))
    assert [process.returncode for process in started] == [0] * 4, said
    applied = sorted(json.loads(out.splitlines()[-1]) for out, _ in said)
    assert applied == [[], [], [], ["0001_things.sql", "0002_names.sql"]]


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_no_lock(empty: Pool, folder: Path) -> None:
    (folder / "0002_names.sql").write_text("CREATE TABLE half (); SELECT 1 / 0;")
    for _ in range(2):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(empty, folder, name="x")
    assert await empty.fetchval("SELECT to_regclass('half')") is None
    assert await empty.fetchval("SELECT to_regclass('things')") is not None
    (folder / "0002_names.sql").write_text("CREATE TABLE half ();")
    assert await migrate(empty, folder, name="x") == ["0002_names.sql"]


@pytest.mark.parametrize(
    "names", [["0002_a"], ["0001_a", "0003_b"], ["0001_a", "0001_b"], ["0001_a", "2_b"], ["0001_a", "00002_b"]]
)
async def test_numbers_have_no_gaps_and_no_repeats(empty: Pool, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / f"{name}.sql").write_text("SELECT 1;")
    with pytest.raises(InvalidInput, match="without gaps or repeats"):
        await migrate(empty, tmp_path, name="x")


async def test_a_database_that_is_newer_than_this_version_is_left_alone(empty: Pool, folder: Path) -> None:
    await migrate(empty, folder, name="x")
    (folder / "0002_names.sql").unlink()
    with pytest.raises(InvalidInput, match="this version of the rig is older"):
        await migrate(empty, folder, name="x")


async def test_a_migration_killed_in_the_middle_is_done_by_the_next(
    empty: Pool, folder: Path, eventually: Eventually
) -> None:
    (folder / "0001_things.sql").write_text("CREATE TABLE things (id int); SELECT pg_sleep(60);")
    broken = asyncio.create_task(migrate(empty, folder, name="x"))
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    await eventually(lambda: empty.fetchval(kill))
    with pytest.raises(LOST):
        await broken
    (folder / "0001_things.sql").write_text("CREATE TABLE things (id int);")
    assert len(await migrate(empty, folder, name="x")) == 2


async def test_json_and_vectors_go_in_and_out(empty: Pool) -> None:
    values: list[Any] = [{"a": [1, None, "é", {"b": 1.5}]}, [], 5, None, True]
    for value in values:
        assert await empty.fetchval("SELECT $1::jsonb", value) == value
    assert await empty.fetchval("SELECT $1::jsonb", json.dumps({"already": "text"})) == {"already": "text"}
    back = await empty.fetchval("SELECT $1::vector", [1.0, 2.0])
    assert back == Vector([1.0, 2.0]) or list(back) == [1.0, 2.0]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://rig:s3cr3t@127.0.0.1:9/rig",
        "nonsense",
        "",
        "postgresql://rig:s3cr3t@/rig?host=/nowhere",
        "mysql://x",
    ],
)
async def test_a_database_that_is_not_there_is_said_without_its_password(url: str) -> None:
    with pytest.raises(Unavailable, match="RIG_DATABASE_URL") as caught:
        async with open_pool(url):
            pass
    assert "s3cr3t" not in str(caught.value)


async def test_a_wrong_password_and_a_wrong_name_are_said(databases: Databases) -> None:
    good = databases.url("postgres")
    for url in (good.replace("rig:", "rig:x", 1), databases.url("nowhere")):
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with open_pool(url):
                pass


async def test_a_pool_whose_connections_were_killed_serves_again(
    empty: Pool, empty_database_url: str, databases: Databases
) -> None:
    assert await empty.fetchval("SELECT 1") == 1
    await databases.disconnect(empty_database_url)
    async with asyncio.timeout(15):
        while True:
            try:
                assert await empty.fetchval("SELECT 2") == 2
                break
            except LOST:
                await asyncio.sleep(0.02)


def test_queries_are_read_by_name(tmp_path: Path) -> None:
    file = tmp_path / "store.sql"
    file.write_text(
        "-- About.\n-- :name first\n-- Reads one.\nSELECT 1;\n\n-- :name second\nSELECT 2;\n-- :name: not one\n"
    )
    queries = load_queries(file)
    assert list(queries) == ["first", "second"]
    assert queries["first"].endswith("SELECT 1;")
    assert "SELECT 2" in queries["second"]


@pytest.mark.parametrize("text", ["SELECT 1;\n-- :name a\nSELECT 2;", "-- :name a\nSELECT 1;\n-- :name a\nSELECT 2;"])
def test_a_query_file_with_loose_or_repeated_text_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.sql").write_text(text)
    with pytest.raises(InvalidInput, match=r"x\.sql"):
        load_queries(tmp_path / "x.sql")


async def test_each_test_has_a_database_of_its_own(pool: Pool, empty: Pool) -> None:
    assert await pool.fetchval("SELECT current_database()") != await empty.fetchval("SELECT current_database()")
    assert await pool.fetchval("SELECT count(*) FROM rig_migrations WHERE name = 'conductor'") > 0
    assert await empty.fetchval("SELECT to_regclass('rig_migrations')") is None
    assert await pool.fetchval("SELECT current_setting('is_superuser')") == "off"
