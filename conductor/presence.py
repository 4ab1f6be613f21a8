"""Who was seen, what they do, and why one does nothing: the page, the command and the tool say the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from conductor.comments import pause_words
from conductor.desk import Desk, DeskDep
from conductor.dispatch.claims import LEFT
from conductor.runs import RunView, read_runs
from conductor.store.connection import connection_of
from conductor.toolbox import PEOPLE, tools
from servers.kit.auth import AGENT_ROLES
from servers.kit.character import Character
from servers.kit.clock import Clock
from servers.kit.database import Pool, load_queries
from servers.kit.tools import READ, Caller

SQL = load_queries(Path(__file__).with_name("presence.sql"))
WAITS: Final = "waits for work"
SILENT = timedelta(seconds=90)
RUNS_LOOKED_AT = 50
GOOD = ("running", "completed")


class AgentView(BaseModel):
    """An agent or person that was seen."""

    agent: str
    instance: str
    role: str
    step: str
    issue: str | None
    kind: str | None
    seen_at: datetime
    state: Literal["working", "waiting", "paused", "away"] = Field(
        default="waiting", description="away: its process left, or says nothing any more"
    )
    why: list[str] = Field(default_factory=list[str], description="Why it does nothing, in sentences")


class PauseView(BaseModel):
    """Something that is paused: the rig, a repository, an agent, a provider, a day's money."""

    scope: str
    by: str
    reason: str
    since: datetime
    until: datetime | None = Field(description="When it ends by itself; null: when somebody resumes it")
    now: bool = Field(description="Whether who works is told to stop as well")
    text: str = Field(description="All of it in one sentence")


@tools.tool(READ)
async def list_agents(desk: DeskDep) -> list[AgentView]:
    """Agents and people that were seen, latest first, with what they hold, or why they do nothing."""
    return await read_agents(desk.pool, desk.catalogue, desk.store.clock)


@tools.tool(READ, PEOPLE, listed=False)
async def list_pauses(desk: DeskDep) -> list[PauseView]:
    """What is paused now, by whom and until when; usage limits of providers and spent budgets too."""
    return await read_pauses(desk.pool)


async def read_agents(pool: Pool, catalogue: Mapping[str, Character], clock: Clock) -> list[AgentView]:
    """Who was seen, latest first."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(SQL["agents"])
        now = await connection.fetchval("SELECT now()")
    pauses = await read_pauses(pool)
    last: dict[tuple[str, str], RunView] = {}
    for run in await read_runs(pool, clock.now(), limit=RUNS_LOOKED_AT):
        last.setdefault((run.agent, run.instance), run)
    return [_agent(row, now, pauses, catalogue.get(row["agent"]), last) for row in rows]


async def read_pauses(pool: Pool) -> list[PauseView]:
    """What is paused, since longest first."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(SQL["pauses"])
    return [
        PauseView.model_validate(
            dict(row.items()) | {"text": pause_words(row["scope"], row["by"], row["reason"], row["until"])}
        )
        for row in rows
    ]


async def note_idle(desk: Desk, caller: Caller, providers: Sequence[str] | None) -> list[str]:
    """Note that an agent lives and has nothing to do; why that is, in sentences, where something is paused."""
    if not caller.is_agent:
        return []
    me = desk.catalogue.get(caller.subject)
    why = kept_by(await read_pauses(desk.pool), caller.subject, providers or (me.providers if me else ()))
    await desk.dispatch.heartbeat(caller, None, why[0][:500] if why else WAITS)
    return why


def keeps(pause: PauseView, agent: str, limited: Collection[str], providers: Sequence[str]) -> bool:
    """Whether a pause keeps an agent from any work; a provider's only where all that it could use are `limited`."""
    kind, _, name = pause.scope.partition(":")
    match kind:
        case "rig":
            return True
        case "agent":
            return name == agent.lower()
        case "budget":
            return name in ("", agent.lower())
        case "provider":
            return name in providers and set(providers) <= set(limited)
        case _:
            return False


def kept_by(pauses: Sequence[PauseView], agent: str, providers: Sequence[str]) -> list[str]:
    """What keeps an agent from any work, as sentences."""
    limited = {pause.scope.removeprefix("provider:") for pause in pauses if pause.scope.startswith("provider:")}
    return [pause.text for pause in pauses if keeps(pause, agent, limited, providers)]


def _agent(
    row: Any,
    now: datetime,
    pauses: Sequence[PauseView],
    character: Character | None,
    last: Mapping[tuple[str, str], RunView],
) -> AgentView:
    view = AgentView.model_validate(dict(row.items()))
    if view.issue:
        return view.model_copy(update={"state": "working"})
    if view.role not in AGENT_ROLES:
        return view
    why = kept_by(pauses, view.agent, character.providers if character else ())
    paused = bool(why)
    run = last.get((view.agent, view.instance))
    if run and run.status not in GOOD:
        why.append(f"Its last run, on {run.issue}, ended {run.status.replace('_', ' ')}: {run.reason or 'no reason'}")
    gone = view.step.startswith(LEFT) or now - view.seen_at > SILENT
    if gone:
        why.append(f"Its process is not there: {_last_words(view.step)}")
    return view.model_copy(update={"why": why, "state": "paused" if paused else "away" if gone else "waiting"})


def _last_words(step: str) -> str:
    return step.removeprefix(LEFT) if step.startswith(LEFT) else f"the last that it said was {step!r}"
