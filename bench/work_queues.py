"""What claims are compared with: pgqueuer and procrastinate, each at its defaults."""

from __future__ import annotations

import time
from typing import Any

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode
from procrastinate import App, PsycopgConnector


async def pgqueuer(url: str, jobs: int) -> float:
    """Jobs a second that one worker fetches and finishes, ten at a time as it does by default."""
    connection = await asyncpg.connect(url)
    try:
        queries = Queries(AsyncpgDriver(connection))
        if not await queries.schema_is_installed():
            await queries.install()
        await queries.enqueue(["work"] * jobs, [b"{}"] * jobs, [0] * jobs)
        manager = QueueManager(queries)

        @manager.entrypoint("work")
        async def work(job: Job) -> None:
            """Nothing is to be done."""

        started = time.perf_counter()
        await manager.run(mode=QueueExecutionMode.drain)
        return jobs / (time.perf_counter() - started)
    finally:
        await connection.close()


async def procrastinate(url: str, jobs: int) -> float:
    """Jobs a second that one worker does, with its default concurrency of one."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="work")
    async def work() -> None:
        """Nothing is to be done."""

    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await work.batch_defer_async(*(dict[str, Any]() for _ in range(jobs)))
        started = time.perf_counter()
        await app.run_worker_async(wait=False, install_signal_handlers=False)
        return jobs / (time.perf_counter() - started)
