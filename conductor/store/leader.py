"""One loop in one process: leadership is an advisory lock of a session, and ends with its connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from servers.kit.database import LOST
from servers.kit.errors import Unavailable, leaves
from servers.kit.logs import get
from servers.kit.wake import end_if_cancelled

AGAIN_SECONDS = 0.5
BEAT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
# A statement that waits keeps PostgreSQL from cleaning up, so whoever is next in line asks anew now and then.
QUEUE_SECONDS = 20
# A leader whose machine is gone without a word is noticed by the database within about ten seconds.
SESSION = {
    "application_name": "rig leader",
    "lock_timeout": f"{QUEUE_SECONDS}s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_LOCK = "SELECT pg_advisory_lock(hashtextextended($1, 7237004))"
_GONE = (*LOST, asyncpg.PostgresError, TimeoutError)
log = get(__name__)


async def led(url: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` whenever this process leads `name`, for ever; it is cancelled when the lead is lost."""
    while True:
        with suppress(Unavailable):
            async with leader(url, name):
                await work()
                return
        log.info("does not lead", name=name)
        await asyncio.sleep(AGAIN_SECONDS)


@asynccontextmanager
async def leader(url: str, name: str) -> AsyncGenerator[None]:
    """Wait until no other process leads `name`, then lead for the length of the block.

    Args:
        url: The database, on which the lead takes a connection of its own.

    Raises:
        Unavailable: The database is away, or the connection broke; the block is cancelled then.
    """
    connection = await _locked(url, name)
    try:
        async with alongside(_until_lost(connection, name)):
            yield
    finally:
        connection.terminate()


@asynccontextmanager
async def alongside(watch: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run `watch` beside the block, which it ends by raising; what either raises is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch)
            yield
            watching.cancel()
    except BaseExceptionGroup as errors:
        end_if_cancelled()
        raise leaves(errors)[0] from errors


async def _locked(url: str, name: str) -> asyncpg.Connection[asyncpg.Record]:
    try:
        connection = await asyncpg.connect(url, server_settings=SESSION)
    except (*_GONE, ValueError) as error:
        raise Unavailable(f"PostgreSQL cannot be reached ({error}).") from error
    try:
        while not await _asked(connection, name):
            pass
    except BaseException as error:
        connection.terminate()
        if isinstance(error, _GONE):
            raise Unavailable(f"The database broke off ({error}).") from error
        raise
    log.info("leads", name=name)
    return connection


async def _asked(connection: asyncpg.Connection[asyncpg.Record], name: str) -> bool:
    try:
        await connection.execute(_LOCK, name)
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _until_lost(connection: asyncpg.Connection[asyncpg.Record], name: str) -> None:
    """Watch the connection, which may break in silence."""
    closed = asyncio.Event()
    connection.add_termination_listener(lambda _: closed.set())
    while not closed.is_set():
        try:
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
            async with asyncio.timeout(BEAT_SECONDS):
                await closed.wait()
        except TimeoutError:
            if closed.is_set() or connection.is_closed():
                break
        except _GONE:
            break
    raise Unavailable(f"The lead of {name} is lost with its connection.")
