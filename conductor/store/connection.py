"""Connections to the database, and what it means when one fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import asyncpg

from servers.kit.database import LOST, Connection, Pool
from servers.kit.errors import InvalidInput, Unavailable

ACQUIRE_SECONDS = 10
# What may be over at the next try: a server that is gone, overloaded or read-only, a deadlock.
AWAY = (
    *LOST,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)


@asynccontextmanager
async def connection_of(pool: Pool) -> AsyncGenerator[Connection]:
    """A pooled connection; a database that is away is Unavailable, a value that it cannot hold InvalidInput."""
    try:
        connection = await acquire(pool)
        try:
            yield connection
        finally:
            await pool.release(connection)
    except AWAY as error:
        raise Unavailable(f"The database cannot be reached ({error}). Try again.") from error
    except asyncpg.DataError as error:
        raise InvalidInput(f"The database cannot hold this value ({error}).") from error


async def acquire(pool: Pool) -> Connection:
    """A connection that the caller releases.

    Raises:
        Unavailable: There is none within ten seconds.
    """
    try:
        return await pool.acquire(timeout=ACQUIRE_SECONDS)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database cannot be reached ({error}). Try again.") from error


class Kept:
    """One connection of the pool, taken when it is first needed and kept until it breaks.

    Args:
        prepare: What is executed once on each new connection.
    """

    def __init__(self, pool: Pool, prepare: str) -> None:
        self._pool = pool
        self._prepare = prepare
        self._connection: Connection | None = None

    async def get(self) -> Connection:
        """The connection, a new one if there is none or it broke.

        Raises:
            Unavailable: The database cannot be reached.
        """
        if self._connection is None or _is_gone(self._connection):
            self._connection = await acquire(self._pool)
            await self._connection.execute(self._prepare)
        return self._connection

    async def drop(self) -> None:
        """Cut the connection, whatever it is doing; the server takes back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*LOST):
                connection.terminate()
                await self._pool.release(connection)


def _is_gone(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool took it back when it broke
        return True
