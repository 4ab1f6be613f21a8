"""`/healthz/deep`: how each thing that the conductor relies on is doing, for people and their alarms."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from conductor.dispatch.announce import Announcer
from conductor.store.health import problems
from conductor.store.writer import connection_of
from servers.kit.database import Pool, load_queries
from servers.kit.errors import RigError
from servers.kit.wake_valkey import AWAY

SQL = load_queries(Path(__file__).with_name("vitals.sql"))
PATH = "/healthz/deep"
FRESH_SECONDS = 1.0
LATE_SECONDS = 120.0
Part = dict[str, Any]


@dataclass
class Vitals:
    """Looks at everything at once, at most once a second however many ask.

    Attributes:
        ping_github: Whether the github server answers; raises where it does not.
        announcer: None where no Valkey is set.
        repositories: The enrolled ones, as the settings name them.
        reconcile_seconds: How often each should be read.
        lease_grace_seconds: How much later than its end a lease is expired.
        answer_seconds: What has not answered by then is down.
    """

    pool: Pool
    ping_github: Callable[[], Awaitable[None]]
    announcer: Announcer | None = None
    repositories: Sequence[str] = ()
    reconcile_seconds: float = 300
    lease_grace_seconds: float = 60
    answer_seconds: float = 2
    _last: tuple[float, Part] | None = field(default=None, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def report(self) -> Part:
        """`status` is ok, degraded or down, and so is each part's; without the database everything is down."""
        async with self._looking:
            if self._last is None or time.monotonic() - self._last[0] > FRESH_SECONDS:
                report = await self._look()
                self._last = (time.monotonic(), report)
            return self._last[1]

    async def _look(self) -> Part:
        looks = {
            "database": self._database(),
            "log": self._log(),
            "valkey": self._valkey(),
            "github_server": self._github(),
            "effects": self._row("effects", "oldest_due_seconds", LATE_SECONDS),
            "deliveries": self._row("deliveries", "oldest_seconds", LATE_SECONDS),
            "reconciler": self._reconciler(),
            "leases": self._row("leases", "overdue", 0, self.lease_grace_seconds + LATE_SECONDS),
        }
        parts = dict(zip(looks, await asyncio.gather(*map(self._in_time, looks.values())), strict=True))
        return {"status": _status(parts), "parts": parts}

    async def _in_time(self, look: Awaitable[Part]) -> Part:
        """The part, or that it is down; why is for the log and not for everybody who asks."""
        try:
            async with asyncio.timeout(self.answer_seconds):
                return await look
        except (RigError, *AWAY):
            return {"status": "down"}

    async def _database(self) -> Part:
        began = time.monotonic()
        row = await self._fetch("database")
        return {"status": "ok", "round_trip_ms": round(1000 * (time.monotonic() - began), 1), **row}

    async def _log(self) -> Part:
        said = await problems(self.pool)
        return {"status": "degraded" if said else "ok", "problems": said}

    async def _valkey(self) -> Part:
        if self.announcer is None:
            return {"status": "ok", "valkey": "absent"}
        await self.announcer.valkey.ping()
        announcing = self.announcer.problem is None
        return {"status": "ok" if announcing else "degraded", "announcing": announcing}

    async def _github(self) -> Part:
        await self.ping_github()
        return {"status": "ok"}

    async def _reconciler(self) -> Part:
        row = await self._fetch("reconciler", list(self.repositories))
        seconds = row["last_success_seconds"]
        late = bool(self.repositories) and (seconds is None or seconds > 2 * self.reconcile_seconds + LATE_SECONDS)
        return {"status": "degraded" if late else "ok", **row}

    async def _row(self, query: str, measure: str, most: float, *arguments: Any) -> Part:
        row = await self._fetch(query, *arguments)
        return {"status": "degraded" if row[measure] > most else "ok", **row}

    async def _fetch(self, query: str, *arguments: Any) -> Part:
        async with connection_of(self.pool) as connection:
            row: Any = await connection.fetchrow(SQL[query], *arguments)
        return {name: round(value, 1) if isinstance(value, float) else value for name, value in row.items()}


def _status(parts: dict[str, Part]) -> str:
    if parts["database"]["status"] == "down":
        return "down"
    return "ok" if all(part["status"] == "ok" for part in parts.values()) else "degraded"


def routes() -> list[Route]:
    """The page, which needs no token and tells no secret: 200, or 503 without the database."""

    async def deep(request: Request) -> JSONResponse:
        vitals: Vitals = request.app.state.conductor.vitals
        report = await vitals.report()
        return JSONResponse(report, 503 if report["status"] == "down" else 200, {"cache-control": "no-store"})

    return [Route(PATH, deep)]
