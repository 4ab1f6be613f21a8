"""PostgreSQL: the asyncpg pool, named queries from `.sql` files, and forward-only numbered migrations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from pgvector.asyncpg import register_vector

from servers.kit.errors import InvalidInput, Unavailable
from servers.kit.logs import get

log = get(__name__)
if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:  # generic in the stubs only
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg itself stumbles when a connection is cut in the middle of a query
    OSError,
)
CLOSE_SECONDS = 10  # whoever has not given a connection back by then is cut off
_QUERY = re.compile(r"^-- :name (\w+)\s*$", re.MULTILINE)
_MIGRATION_LOCK = 7_237_001


@asynccontextmanager
async def open_pool(url: str, *, size: int = 8) -> AsyncGenerator[Pool]:
    """A pool of up to `size` connections that speak JSON, and vectors where pgvector is installed.

    Raises:
        Unavailable: The database does not accept connections.
    """
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            init=_prepare,
            reset=_keep,
            server_settings={"application_name": "rig"},
        )
    except (*LOST, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"PostgreSQL cannot be reached ({error}). Check RIG_DATABASE_URL.") from error
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await pool.close()
        except LOST:
            pool.terminate()


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode, format="text"
    )
    if await connection.fetchval("SELECT 1 FROM pg_extension WHERE extname = 'vector'"):
        await register_vector(connection)


async def _keep(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """An open transaction is rolled back; nobody leaves more behind that a round trip would have to clear away."""


def _encode_json(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def load_queries(path: Path) -> dict[str, str]:
    """The queries of a `.sql` file, each below a line `-- :name <name>` and a sentence on what it does.

    Raises:
        InvalidInput: Text stands before the first name, or a name stands twice.
    """
    preamble, *parts = _QUERY.split(path.read_text(encoding="utf-8"))
    if re.sub(r"--.*", "", preamble).strip():
        raise InvalidInput(f"{path}: SQL stands before the first `-- :name`.")
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) < len(names):
        raise InvalidInput(f"{path}: a query name stands twice.")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}


async def migrate(pool: Pool, folder: Path, *, name: str) -> list[str]:
    """Apply the files `NNNN_*.sql` of `folder` that are new, in order, one transaction each.

    An advisory lock lets several starting processes race safely.

    Returns:
        The file names that were applied now.

    Raises:
        InvalidInput: Numbers are missing or repeated, or the database is newer than this folder.
    """
    files = _numbered(folder)
    applied: list[str] = []
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        try:
            done = await _migrations_done(connection, name)
            if done and max(done) > len(files):
                raise InvalidInput(
                    f"The database has migration {max(done)} of {name}; this version of the rig is older."
                )
            for number, (file, sql) in files.items():
                if number not in done:
                    await _apply(connection, name, number, sql)
                    applied.append(file)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _MIGRATION_LOCK)
    if applied:
        log.info("migrated", name=name, files=applied)
    return applied


def _numbered(folder: Path) -> dict[int, tuple[str, str]]:
    files = {
        int(file.name[:4]): (file.name, file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    }
    if list(files) != list(range(1, len(files) + 1)) or len(files) != len(list(folder.glob("*_*.sql"))):
        raise InvalidInput(f"{folder}: migrations must be numbered 0001, 0002, … without gaps or repeats.")
    return files


async def _migrations_done(connection: Connection, name: str) -> set[int]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS rig_migrations"
        " (name text, number int, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, number))"
    )
    rows = await connection.fetch("SELECT number FROM rig_migrations WHERE name = $1", name)
    return {row["number"] for row in rows}


async def _apply(connection: Connection, name: str, number: int, sql: str) -> None:
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute("INSERT INTO rig_migrations (name, number) VALUES ($1, $2)", name, number)
