"""Runs a command against an issue: load, decide, append, and again from the start when somebody else was faster."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from conductor.events import Event
from conductor.issues.commands import Command
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.merge.places import leave
from conductor.store.records import Answer, Append
from conductor.store.writer import SQL, Store, connection_of
from servers.kit.database import Connection
from servers.kit.errors import Conflict, InvalidInput

ATTEMPTS = 20


@dataclass(frozen=True)
class Handled:
    """The issue after a command, and the events that the command caused.

    Attributes:
        answer: What the same request was answered before; then nothing happened now.
    """

    issue: Issue
    events: list[Event]
    answer: Any | None = None


@dataclass(frozen=True)
class Once:
    """A request that may come twice; `render` makes its answer, which is kept in the append's transaction."""

    caller: str
    tool: str
    request_id: str
    arguments: str
    render: Callable[[Issue], Any]

    def answer(self, issue: Issue) -> Answer:
        return Answer(self.caller, self.tool, self.request_id, self.arguments, self.render(issue))

    async def given(self, connection: Connection) -> Any | None:
        """What this request was answered the first time.

        Raises:
            InvalidInput: The same request id came with other arguments.
        """
        row = await connection.fetchrow(SQL["find_answer"], self.caller, self.tool, self.request_id)
        if row is None:
            return None
        if row["arguments"] != self.arguments:
            raise InvalidInput(
                f"The request id {self.request_id} was used before with other arguments. Take a new one."
            )
        return row["answer"]


async def handle(
    store: Store,
    stream: str,
    command: Command,
    actor: str,
    causation: str | None = None,
    once: Once | None = None,
    at: int | None = None,
) -> Handled:
    """Apply `command` to the issue of `stream`.

    Args:
        actor: Who is named in the events.
        causation: What led to it: a delivery, an effect, a request.
        at: The only version of the issue that `command` is meant for, if any.

    Raises:
        Refused: As `decide` refuses; Conflict where the issue is no longer at that version.
        Unavailable: The database is away.
    """
    for _ in range(ATTEMPTS):
        version, issue = await store.load(stream)
        if at not in (None, version):
            raise Conflict(f"{stream} is at version {version}, not {at}.")
        given = await answered(store, once)  # after loading, so that what is loaded is from before the answer
        if given is not None:
            return Handled(issue, [], given)
        events = decide(issue, command, store.limits)
        if not events:
            return Handled(issue, [])
        after = fold(events, issue)
        answer = once.answer(after) if once else None
        append = Append(stream, version, events, actor, store.clock.now(), issue, after, after.key, causation, answer)
        try:
            await store.append(append)
        except Conflict:
            continue
        if issue.status == "merging" != after.status:
            await leave(store, after, version + len(events))
        return Handled(after, events)
    raise Conflict(f"{stream} changes too fast. Try again.")


async def record(
    store: Store, stream: str, event: Event, actor: str, correlation: str | None = None, once: Once | None = None
) -> None:
    """Append one event to a stream that is not an issue's; with `once`, however often the request comes."""
    if await answered(store, once) is not None:
        return
    answer = once.answer(Issue()) if once else None
    try:
        await store.append(
            Append(stream, None, [event], actor, store.clock.now(), correlation=correlation, answer=answer)
        )
    except Conflict:
        await answered(store, once)  # the same request came twice at once, and the other was first


async def do_once(store: Store, once: Once | None, work: Callable[[Connection], Awaitable[Any]]) -> Any:
    """Do `work` in one transaction with its answer, and for a repeated request only give the answer."""
    async with connection_of(store.pool) as connection, connection.transaction():
        if once is None:
            return await work(connection)
        await connection.execute(SQL["lock_request"], once.caller, once.tool, once.request_id)
        given = await once.given(connection)
        if given is not None:
            return given
        answer = await work(connection)
        row = Answer(once.caller, once.tool, once.request_id, once.arguments, answer)
        await connection.execute(SQL["write_answers"], [row])
        return answer


async def answered(store: Store, once: Once | None) -> Any | None:
    """What the request was answered before, if it is one that may come twice and has."""
    if once is None:
        return None
    async with connection_of(store.pool) as connection:
        return await once.given(connection)


def digest(arguments: Any) -> str:
    """A request's arguments as a short hash."""
    return hashlib.sha256(msgspec.json.encode(arguments, order="deterministic")).hexdigest()[:32]
