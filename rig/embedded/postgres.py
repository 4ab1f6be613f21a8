"""A PostgreSQL of our own, from the wheel's programs, kept alive for as long as the block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType

import asyncpg

from rig.embedded.cluster import Cluster
from servers.kit.database import LOST
from servers.kit.errors import Unavailable
from servers.kit.logs import get

log = get(__name__)
READY = b"ready to accept connections"
START_SECONDS = 30.0
STOP_SECONDS = 8.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
DATABASE = ROLE = "rig"


class EmbeddedPostgres:
    """Serves the database `rig` with pgvector on a private unix socket; restarts it when it dies.

    Args:
        folder: Where data, socket and passwords live; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._cluster = Cluster.at(folder)
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=40)

    @property
    def url(self) -> str:
        """Where the rig's database is, with its password."""
        return self._cluster.url(ROLE, DATABASE)

    @property
    def pid(self) -> int:
        """The running server's process."""
        if self._process is None:
            raise Unavailable("The embedded PostgreSQL is not running.")
        return self._process.pid

    async def __aenter__(self) -> EmbeddedPostgres:
        await self._cluster.prepare()
        serving = await self._start()
        try:
            await self._make_database()
        except BaseException:
            await self._stop()
            raise
        self._keeper = asyncio.create_task(self._keep(serving))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._stop()

    async def _start(self) -> asyncio.Task[None]:
        """Start the server, wait until it accepts connections, and go on reading what it says."""
        self._process = await asyncio.create_subprocess_exec(
            *self._cluster.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **self._cluster.child_arguments(),
        )
        ready = asyncio.Event()
        serving = asyncio.create_task(self._serve(self._process, ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({serving, waiting}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not ready.is_set():
            await self._stop()
            raise Unavailable(f"The embedded PostgreSQL did not start: {' '.join(self._said)[-800:]}")
        return serving

    async def _serve(self, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
        """Follow the server's log until the server ends."""
        if process.stderr is not None:
            async for line in process.stderr:
                self._said.append(line.decode(errors="replace").strip())
                if READY in line:
                    ready.set()
                elif line.startswith((b"FATAL", b"PANIC")):
                    log.warning("postgres", said=self._said[-1])
        await process.wait()

    async def _keep(self, serving: asyncio.Task[None]) -> None:
        pause = FIRST_PAUSE
        while True:
            await serving
            log.warning("the embedded PostgreSQL died and is started again")
            while serving.done():
                try:
                    serving = await self._start()
                    pause = FIRST_PAUSE
                except Unavailable as error:
                    # orphaned back ends of the dead server may hold its shared memory for a moment
                    log.warning("the embedded PostgreSQL does not start yet", error=str(error))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)

    async def _make_database(self) -> None:
        password = self._cluster.password(ROLE)
        async with _connected(self._cluster.url("postgres", "postgres")) as connection:
            known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE)
            if not known:
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE} STRATEGY file_copy")
        async with _connected(self._cluster.url("postgres", DATABASE)) as connection:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(order)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_SECONDS)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    try:
        connection = await asyncpg.connect(url)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"The embedded PostgreSQL refuses its own password or socket ({error}).") from error
    try:
        yield connection
    finally:
        await connection.close()
