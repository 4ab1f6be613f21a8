"""What appends are compared with: pgbench with one commit an event, eventsourcing, UmaDB."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import asyncpg
import umadb
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from bench.common import Server, run

DATA = b'{"sender":"ada","to":"dev-e","text":"Mind the tests."}'
NUMBERED = "CREATE SEQUENCE positions; ALTER TABLE events ALTER position SET DEFAULT nextval('positions')"
SCRIPT = """
\\set version :version + 1
INSERT INTO events (stream, version, type, data, actor, occurred_at)
VALUES (:run || '-' || :client_id, :version, 'MESSAGE_SENT', '{data}', 'ada', now());
"""
Write = Callable[[], object]


class Pgbench:
    """Inserts into the rig's own events table, one commit an event, each client into a stream of its own."""

    def __init__(self, server: Server, database: str, script: Path) -> None:
        self._server = server
        self._database = database
        self._script = script
        self._runs = count(1)

    @classmethod
    async def open(cls, server: Server, folder: Path) -> Pgbench:
        connection = await asyncpg.connect(await server.database("pgbench"))
        try:
            await connection.execute(NUMBERED)
        finally:
            await connection.close()
        script = folder / "append.sql"
        script.write_text(SCRIPT.replace("{data}", DATA.decode()), encoding="utf-8")
        return cls(server, "pgbench", script)

    async def rate(self, clients: int, seconds: float) -> float:
        """Events a second that `clients` connections commit."""
        command = [str(self._server.programs / "pgbench"), "--no-vacuum", "--protocol", "prepared", "--jobs", "2"]
        command += ["--client", str(clients), *_length(seconds), "--file", str(self._script)]
        command += ["--define", "version=0", "--define", f"run={next(self._runs)}"]
        command += ["--host", str(self._server.cluster.sockets), "--username", "rig", self._database]
        said = await run(*command, env={"PGPASSWORD": self._server.cluster.password("rig")})
        found = re.search(r"tps = ([\d.]+)", said)
        if found is None:
            raise RuntimeError(f"pgbench said no rate: {said}")
        return float(found[1])


def _length(seconds: float) -> list[str]:
    """pgbench counts whole seconds only, so what is shorter is a few transactions for each client."""
    return ["--time", str(round(seconds))] if seconds >= 1 else ["--transactions", "20"]


def threads(callers: int, seconds: float, writer: Callable[[], Write]) -> float:
    """Writes a second of so many threads, each with a `writer` of its own."""
    ready = threading.Barrier(callers)

    def call(_: int) -> float:
        write, done = writer(), 0
        ready.wait()
        started = time.perf_counter()
        while (took := time.perf_counter() - started) < seconds:
            write()
            done += 1
        return done / took

    with ThreadPoolExecutor(callers) as pool:
        return sum(pool.map(call, range(callers)))


@contextmanager
def eventsourcing(server: Server, database: str, callers: int) -> Generator[Callable[[], Write]]:
    """Writers through the recorder that locks its table, for the one with database functions skips events."""
    cluster = server.cluster
    datastore = PostgresDatastore(
        database, str(cluster.sockets), 5432, "rig", cluster.password("rig"), pool_size=callers
    )
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()

    def writer() -> Write:
        stream, versions = uuid4(), count(1)
        return lambda: recorder.insert_events([_stored(stream, next(versions))])

    try:
        yield writer
    finally:
        datastore.close()


def _stored(stream: UUID, version: int) -> StoredEvent:
    return StoredEvent(originator_id=stream, originator_version=version, topic="MESSAGE_SENT", state=DATA)


@asynccontextmanager
async def uma() -> AsyncGenerator[Callable[[], Write]]:
    """Writers to a server of UmaDB, each of which appends only if nobody else has written to its stream."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory(prefix="rig-bench-") as folder:
        program = Path(sys.executable).with_name("umadb")
        quiet = asyncio.subprocess.DEVNULL
        options = ("--listen", f"127.0.0.1:{port}", "--db-path", folder)
        server = await asyncio.create_subprocess_exec(program, *options, stdout=quiet, stderr=quiet)
        try:
            await _listens(port)
            yield lambda: _uma_writer(umadb.Client(f"http://127.0.0.1:{port}"))
        finally:
            server.terminate()
            await server.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def _uma_writer(client: umadb.Client) -> Write:
    stream = str(uuid4())
    query = umadb.Query([umadb.QueryItem(tags=[stream])])
    last: list[int | None] = [None]

    def write() -> None:
        event = umadb.Event("MESSAGE_SENT", DATA, [stream])
        last[0] = client.append([event], umadb.AppendCondition(query, last[0]))

    return write
