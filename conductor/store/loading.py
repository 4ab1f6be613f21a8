"""Loads issues: whoever waits while a query runs is served by the next one, all together."""

from __future__ import annotations

import asyncio

import msgspec

from conductor.issues.issue import Issue
from conductor.store.batch import SQL
from conductor.store.connection import connection_of
from servers.kit.database import Pool
from servers.kit.errors import RigError, Unavailable
from servers.kit.logs import get

Row = tuple[int, str]
log = get(__name__)


class Loader:
    """Reads issues' folded states by their streams."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[str, asyncio.Future[Row | None]] = {}
        self._serving: asyncio.Task[None] | None = None

    async def load(self, stream: str) -> tuple[int, Issue]:
        """An issue's version and state, no older than this call; version 0 and an empty issue where there is none.

        Raises:
            Unavailable: The database is away.
        """
        row = await asyncio.shield(self._row(stream))
        return (row[0], msgspec.json.decode(row[1], type=Issue)) if row else (0, Issue())

    def _row(self, stream: str) -> asyncio.Future[Row | None]:
        row = self._waiting.setdefault(stream, asyncio.get_running_loop().create_future())
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return row

    async def _serve(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                found = await self._read(list(waiting))
            except asyncio.CancelledError:
                _fail(waiting, Unavailable("The process is about to end."))
                raise
            except RigError as error:
                _fail(waiting, error)
            except Exception:
                log.exception("issues could not be read", streams=list(waiting))
                _fail(waiting, RigError("The issue could not be read; the log says why."))
            else:
                for stream, row in waiting.items():
                    row.set_result(found.get(stream))

    async def _read(self, streams: list[str]) -> dict[str, Row]:
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(SQL["load_issues"], streams)
        return {stream: (version, data) for stream, version, data in rows}


def _fail(waiting: dict[str, asyncio.Future[Row | None]], error: RigError) -> None:
    for row in waiting.values():
        row.set_exception(error)
        row.exception()  # whoever waited may have left
