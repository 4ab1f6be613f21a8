"""The record of each run: who did what for how long, what it used and cost, and what came of it.

Nothing of it is stored as such. Beginning, end and pull request are the issue's events, tokens and money the sum of
TOKEN_USAGE, and the steps are what the agent said while it worked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from conductor.desk import Desk, DeskDep
from conductor.issues.runs import COURSE, Course, Outcome, Told, course
from conductor.store.connection import connection_of
from conductor.toolbox import Short, tools
from servers.kit.database import Connection, Pool, load_queries
from servers.kit.errors import NotFound
from servers.kit.money import Money
from servers.kit.tools import READ

SQL = load_queries(Path(__file__).with_name("runs.sql"))
GOOD = ("running", "completed", "parked", "released", "reassigned")
_Key = tuple[str, int]
WorkArg = Annotated[
    str,
    Field(
        pattern=r"^[\w.-]+/[\w.-]+[#~]\d{1,9}$",
        max_length=300,
        description="As owner/repo#12, or owner/repo~7 for a chore",
    ),
]


class StepView(BaseModel):
    """One step of a run."""

    step: str
    ok: bool | None = Field(description="Null while it goes on")
    at: datetime
    seconds: float


class RunView(BaseModel):
    """One attempt of an agent: what it used, what it cost, and what came of it."""

    run: str
    agent: str
    instance: str
    issue: str = Field(description="owner/repo#12, or owner/repo~7 for a chore")
    about: str = Field(default="", description="The issue that a chore is about")
    kind: str
    attempt: int | None
    models: list[str]
    status: Outcome
    reason: str = Field(description="Why it ended")
    started_at: datetime
    ended_at: datetime | None
    seconds: float
    turns: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    usd: float = Field(description="The sum of its TOKEN_USAGE")
    pull_request: int | None
    pull_request_url: str
    steps: list[StepView]


@tools.tool(READ)
async def list_runs(
    desk: DeskDep,
    issue: WorkArg | None = None,
    agent: Short | None = None,
    limit: Annotated[int, Field(ge=1, le=200)] = 20,
) -> list[RunView]:
    """Runs, newest first, of an issue or an agent or of all: steps with times, tokens, US dollars, outcome."""
    stream = await _stream_of(desk, issue) if issue else None
    return await read_runs(desk.pool, desk.store.clock.now(), stream, agent, limit)


async def _stream_of(desk: Desk, work: str) -> str:
    """The stream of an issue or a chore.

    Raises:
        NotFound: The rig does not know it.
    """
    repository, chore, number = work.partition("~")
    if not chore:
        return await desk.dispatch.stream_of(work)
    async with connection_of(desk.pool) as connection:
        stream = await connection.fetchval(SQL["stream_of_chore"], repository, int(number))
    if stream is None:
        raise NotFound(f"The rig does not know {work}.")
    return stream


def headline(run: RunView) -> str:
    """Who ran, and when: `dev-e-python/5f72ab31 · 12 Apr 09:20`."""
    return f"{run.agent}/{run.run[-8:]} · {run.started_at:%d %b %H:%M}"


def totals(run: RunView) -> str:
    """How long it took, what it cost and used: `93s · $0.21 · 14 turns · 1,234 in / 567 out / …`."""
    tokens = (
        f"{run.input_tokens:,} in / {run.output_tokens:,} out / {run.cache_read_tokens:,} cache-read / "
        f"{run.cache_write_tokens:,} cache-write"
    )
    return f"{run.seconds:.0f}s · {Money.of(run.usd)} · {run.turns} turns · {tokens}"


async def runs_of(pool: Pool, issue: str, now: datetime) -> list[RunView]:
    """The runs on `owner/repo#12`, newest first; none where the rig does not know it."""
    repository, _, number = issue.partition("#")
    async with connection_of(pool) as connection:
        stream = await connection.fetchval(SQL["stream_of"], repository, int(number))
    return await read_runs(pool, now, stream) if stream else []


async def read_runs(
    pool: Pool, now: datetime, stream: str | None = None, agent: str | None = None, limit: int = 20
) -> list[RunView]:
    """The newest runs on a stream, of an agent, or of all."""
    async with connection_of(pool) as connection:
        if stream is None:
            begun = await connection.fetch(SQL["begun"], agent, limit)
        else:
            begun = await connection.fetch(SQL["begun_on"], stream, agent, limit)
        return await _records(connection, begun, now)


async def _records(connection: Connection, begun: Sequence[Any], now: datetime) -> list[RunView]:
    streams, versions = [row["stream"] for row in begun], [row["version"] for row in begun]
    runs = [row["data"]["run"] for row in begun]
    known = {_key(row): row for row in await connection.fetch(SQL["known"], streams, versions)}
    told: defaultdict[_Key, list[Told]] = defaultdict(list)
    for row in await connection.fetch(SQL["course"], streams, versions, list(COURSE)):
        told[_key(row)].append(Told(row["type"], row["data"], row["recorded_at"]))
    used = await connection.fetch(SQL["used"], [f"run-{run}" for run in runs])
    usage = {(row["run"], row["agent"]): row for row in used}
    steps: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in await connection.fetch(SQL["steps"], runs):
        steps[row["run"], row["agent"]].append(row)
    return [
        _record(row, known[where], told[where], usage.get(who), steps[who], now)
        for row in begun
        for where in [(row["stream"], row["version"])]
        for who in [(row["data"]["run"], row["data"]["agent"])]
    ]


def _key(row: Any) -> _Key:
    return row["stream"], row["begun"]


def _record(row: Any, known: Any, told: list[Told], used: Any, said: Sequence[Any], now: datetime) -> RunView:
    data, began = row["data"], row["recorded_at"]
    kind = data.get("kind", "review")
    pull = known["pull"] if kind in ("review", "rework") else None
    start = Course(pull_request=pull["number"], url=pull.get("url", "")) if pull else None
    went = course(data["agent"], data["fence"], told, start)
    if went.outcome == "running" and known["chore_run"] not in (None, data["run"]):
        # Chores go back without an event; they have no stream to keep in order.
        went = Course("released", ended_at=max(began, known["heartbeat_at"] or began))
    ended = went.ended_at or now
    return RunView(
        run=data["run"],
        agent=data["agent"],
        instance=data["instance"],
        issue=known["issue"],
        about=known["about"],
        kind=kind,
        attempt=data.get("attempt"),
        models=sorted(used["models"]) if used else [],
        status=went.outcome,
        reason=went.reason,
        started_at=began,
        ended_at=went.ended_at,
        seconds=_seconds(began, ended),
        pull_request=went.pull_request,
        pull_request_url=went.url,
        steps=_steps([("assigned", began), *((one["text"], one["at"]) for one in said)], ended, went.outcome),
        **_used(used),
    )


def _used(used: Any) -> dict[str, Any]:
    names = ("turns", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    sums = {name: used[name] if used else 0 for name in names}
    return sums | {"usd": float(used["usd"] if used else Decimal(0))}


def _steps(begun: Iterable[tuple[str, datetime]], ended: datetime, outcome: Outcome) -> list[StepView]:
    """Each step lasts until the next begins; all but the last were done, and that one as the run ended."""
    named = [(name, min(at, ended)) for name, at in begun]
    last = None if outcome == "running" else outcome in GOOD
    done = [
        StepView(step=name, ok=True, at=at, seconds=_seconds(at, after)) for (name, at), (_, after) in pairwise(named)
    ]
    name, at = named[-1]
    return [*done, StepView(step=name, ok=last, at=at, seconds=_seconds(at, ended))]


def _seconds(begin: datetime, end: datetime) -> float:
    return round(max((end - begin).total_seconds(), 0), 3)
