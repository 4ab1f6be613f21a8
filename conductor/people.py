"""The conductor's tools for people and operators, and `record` for the rig's other servers."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field

from conductor import events as e
from conductor.answers import Progress
from conductor.desk import Desk, DeskDep
from conductor.dispatch.claims import SQL
from conductor.handler import answered
from conductor.handler import record as append
from conductor.issues import commands as c
from conductor.store.writer import ASSIGNMENTS, EVENTS, connection_of
from conductor.toolbox import PEOPLE, IssueArg, Short, Text, once, run, tools
from servers.kit.database import load_queries
from servers.kit.errors import InvalidInput, NotFound
from servers.kit.tools import DESTRUCTIVE, WRITE, CallerDep

KNOWN = load_queries(Path(__file__).with_name("people.sql"))
RECORDABLE = frozenset(
    {
        "MEMORY_WRITE", "MEMORY_READ", "MEMORY_HIT_USED", "MEMORY_PROMOTED", "MILESTONE_COMPLETE", "AGENT_REGISTERED",
        "MESSAGE_SENT",
    }
)  # fmt: skip
Scope = Annotated[
    str,
    Field(
        pattern=r"^(rig|agent:[\w-]+|[\w.-]+/[\w.-]+)$",
        max_length=300,
        description="rig, owner/repo, or agent:<name>",
    ),
]

Pausable = Annotated[
    str,
    Field(
        pattern=r"^(rig|agent:[\w-]+|[\w.-]+/[\w.-]+|provider:[\w-]+|budget(:[\w-]+)?)$",
        max_length=300,
        description="rig, owner/repo, agent:<name>, provider:<name>, budget, or budget:<agent>",
    ),
]


class Pause(BaseModel):
    """What is paused or was resumed."""

    scope: str
    paused: bool


@tools.tool(WRITE, PEOPLE)
async def approve_issue(desk: DeskDep, caller: CallerDep, issue: IssueArg) -> Progress:
    """Let the rig try an escalated issue again with fresh strikes. New issues start by their label on GitHub."""
    return await run(desk, caller, "approve_issue", issue, c.Approve(by=caller.subject))


@tools.tool(WRITE, PEOPLE)
async def prioritize_issue(desk: DeskDep, caller: CallerDep, issue: IssueArg, priority: e.Priority) -> Progress:
    """Set what an issue's work is picked by: critical before high before normal."""
    return await run(desk, caller, "prioritize_issue", issue, c.Prioritize(priority, caller.subject))


@tools.tool(DESTRUCTIVE, PEOPLE)
async def reassign_issue(desk: DeskDep, caller: CallerDep, issue: IssueArg, reason: Text = "") -> Progress:
    """Take the work from its holder, whose next write is refused, and offer it again."""
    return await run(desk, caller, "reassign_issue", issue, c.Reassign(reason, caller.subject))


@tools.tool(DESTRUCTIVE, PEOPLE)
async def cancel_issue(desk: DeskDep, caller: CallerDep, issue: IssueArg, reason: Text) -> Progress:
    """Stop all work on an issue for good; setting the label again starts it anew."""
    return await run(desk, caller, "cancel_issue", issue, c.Cancel(reason, caller.subject))


@tools.tool(WRITE, PEOPLE)
async def decide_gate(desk: DeskDep, caller: CallerDep, issue: IssueArg, approve: bool, note: Text = "") -> Progress:
    """Answer a human gate or an escalation: approve goes on (an escalated issue is tried again), else it stops."""
    return await run(desk, caller, "decide_gate", issue, c.DecideGate(approve, note, caller.subject))


@tools.tool(WRITE, PEOPLE)
async def merge_pull_request(desk: DeskDep, caller: CallerDep, issue: IssueArg) -> Progress:
    """Look at the issue's pull request now and merge it if every gate is open; else the answer's state says no more,
    and explain_issue says what it waits for."""
    stream = await desk.dispatch.stream_of(issue)
    await desk.effects.look_now(stream)
    _, state = await desk.store.load(stream)
    return Progress(state=state.status)


@tools.tool(WRITE, PEOPLE)
async def pause(
    desk: DeskDep,
    caller: CallerDep,
    scope: Scope = "rig",
    reason: Text = "",
    now: Annotated[bool, Field(description="Also stop what runs, at its next heartbeat; its work is saved")] = False,
) -> Pause:
    """Hand out no new work, in the whole rig, a repository or to an agent; what runs goes on unless `now` is set."""
    scope = await _existing(desk, scope)
    event = e.RigPaused(scope=scope, by=caller.subject, reason=reason, now=now)
    request = once(caller, "pause", [scope, reason, now] if now else [scope, reason])
    await append(desk.store, "rig", event, caller.subject, once=request)
    return Pause(scope=scope, paused=True)


async def _existing(desk: Desk, scope: str) -> str:
    """The scope, a renamed repository by its name of today.

    Raises:
        NotFound: There is no such thing, so that pausing it would stop nothing.
    """
    enrolment, agents = desk.translation.sights.enrolment, [f"agent:{name}" for name in desk.catalogue]
    today = await enrolment.current(scope)
    if today is not None and today.lower() != scope.lower():
        return today
    if today or scope.lower() in {"rig", *map(str.lower, agents)}:
        return scope
    async with connection_of(desk.pool) as connection:
        if await connection.fetchval(KNOWN["is_known"], scope.lower()):
            return scope
    there = ["rig", *enrolment.names, *agents]
    near = get_close_matches(scope, there, n=1)
    said = f"; did you mean {near[0]}?" if near else "."
    raise NotFound(f"There is no {scope}{said} There are {', '.join(there)}.")


@tools.tool(WRITE, PEOPLE)
async def resume(desk: DeskDep, caller: CallerDep, scope: Pausable = "rig") -> Pause:
    """End a pause. Of a provider it lifts the usage limit; of a budget it gives another day's money from now on."""
    request = once(caller, "resume", scope)
    async with connection_of(desk.pool) as connection:
        paused = await connection.fetchval(SQL["is_paused"], scope.lower())
    if not paused and await answered(desk.store, request) is None:
        raise NotFound(f"{scope} is not paused.")
    event = e.RigResumed(scope=scope, by=caller.subject)
    await append(desk.store, "rig", event, caller.subject, once=request)
    await desk.wake.publish(ASSIGNMENTS, EVENTS)
    return Pause(scope=scope, paused=False)


@tools.tool(WRITE, ("service",))
async def record(
    desk: DeskDep,
    caller: CallerDep,
    stream: Annotated[str, Field(pattern=r"^(agent|run|rig)(-[\w.-]+)?$", max_length=200)],
    type: Short,
    data: dict[str, Any],
) -> Progress:
    """Append a fact that another server of the rig learned; never to an issue's stream."""
    if type not in RECORDABLE:
        raise InvalidInput(f"{type} cannot be recorded from outside; one of {', '.join(sorted(RECORDABLE))} can.")
    try:
        event = e.decode(type, data)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{type}: {error}") from error
    await append(desk.store, stream, event, caller.subject, once=once(caller, "record", [stream, type, data]))
    return Progress(state="new")
