"""Work that is no issue's, kept until the character that it is for takes it; leases go by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg

from conductor import events as e
from conductor.handler import record
from conductor.store.records import PRIORITY_RANK, encode
from conductor.store.writer import ASSIGNMENTS, EFFECTS, Store, connection_of
from conductor.store.writer import SQL as STORE_SQL
from servers.kit.character import CHORES, Character, Kind
from servers.kit.database import Connection, load_queries
from servers.kit.errors import Fenced, InvalidInput, NotFound, Superseded
from servers.kit.tools import Caller, Claim

SQL = load_queries(Path(__file__).with_name("chores.sql"))
RANKS: Final[dict[int, e.Priority]] = {0: "critical", 1: "high", 2: "normal"}
NOWHERE = "rig/rig"
STRIKES = 2
SHOWN = 2000
QUOTED = 500


@dataclass(frozen=True)
class Chore:
    """Something to do.

    Attributes:
        agent: The character that has to do it.
        key: Names it: however often it is offered under one key, it is done once.
        body: What is asked, and what there is to know.
        repository: Where, as owner/repo; empty where it concerns none.
        issue: The issue that it is about, as owner/repo#12.
        data: What the conductor has to know at its end.
    """

    kind: Kind
    agent: str
    key: str
    title: str
    body: str
    repository: str = ""
    issue: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    priority: e.Priority = "normal"


@dataclass(frozen=True)
class Held:
    """A chore that somebody took; `evidence` is why an earlier try failed."""

    id: int
    kind: Kind
    agent: str
    repository: str
    issue: str
    title: str
    body: str
    data: dict[str, Any]
    priority: e.Priority
    fence: int
    attempt: int
    run: str
    evidence: str

    @property
    def handle(self) -> str:
        """What its claim names: owner/repo~7."""
        return f"{self.repository}~{self.id}"


@dataclass(frozen=True)
class Effect:
    """Something to do outside because a chore ended so, as `issues/react.py` has it for issues."""

    key: str
    stream: str
    lane: str
    kind: str
    data: Mapping[str, Any]


def is_chore(claim: Claim | None) -> bool:
    """Whether a claim is on work that is no issue's."""
    return claim is not None and "~" in claim.issue


def by_kind(catalogue: Mapping[str, Character], kind: Kind) -> str | None:
    """The first character that does `kind`, if any."""
    return next((one.name for one in catalogue.values() if kind in one.work), None)


class Chores:
    """Offers, hands out and takes back chores; any number of processes may.

    Args:
        catalogue: The characters that exist, by name.
        lease_seconds: How long a heartbeat holds a claim.
    """

    def __init__(self, store: Store, catalogue: Mapping[str, Character], lease_seconds: float = 90) -> None:
        self.store = store
        self.catalogue = catalogue
        self._lease_seconds = lease_seconds

    async def offer(self, chore: Chore) -> bool:
        """Keep `chore` for its character; whether it is new."""
        async with connection_of(self.store.pool) as connection:
            number = await keep(connection, chore)
        if number is not None:
            await self.store.wake.publish(ASSIGNMENTS)
        return number is not None

    async def resume(self, caller: Caller, kinds: Sequence[Kind]) -> Held | None:
        """What the caller's instance holds already."""
        return await self._claim("held", caller, kinds)

    async def take(self, caller: Caller, kinds: Sequence[Kind], providers: Sequence[str] = ()) -> Held | None:
        """The most urgent of the caller's chores, if it holds none and its providers are not at their limits."""
        held = await self._claim("take", caller, kinds, list(providers))
        if held:
            event = e.ChoreAssigned(
                kind=held.kind,
                agent=held.agent,
                instance=caller.instance,
                fence=held.fence,
                run=held.run,
                title=held.title,
                issue=held.issue,
            )
            await self._note(held, event, caller.subject)
        return held

    async def _claim(self, query: str, caller: Caller, kinds: Sequence[Kind], *more: Any) -> Held | None:
        wanted = [kind for kind in kinds if kind in CHORES]
        if not wanted:
            return None
        who = (caller.subject, caller.instance, caller.boot, str(uuid4()), wanted, self._lease_seconds, *more)
        try:
            async with connection_of(self.store.pool) as connection:
                row = await connection.fetchrow(SQL[query], *who)
        except (
            asyncpg.UniqueViolationError
        ):  # another call of this instance was faster, and finds it when it asks again
            return None
        return _held(row) if row else None

    async def heartbeat(self, caller: Caller, claim: Claim, step: str) -> datetime | None:
        """Renew a lease; until when it holds.

        Raises:
            Fenced, Superseded: The claim is over.
        """
        async with connection_of(self.store.pool) as connection:
            until = await connection.fetchval(SQL["heartbeat"], *_key(caller, claim), self._lease_seconds, step)
        if until is None:
            await self.check(claim, caller.subject, caller.instance, caller.boot)
        return until

    async def check(self, claim: Claim, agent: str, instance: str, boot: str) -> Held:
        """The chore that a claim is on, if the claim holds.

        Raises:
            Fenced, Superseded: It does not.
        """
        row = await self._row(claim)
        holder = (row["agent"], row["instance"], row["boot"], row["fence"])
        if row["state"] == "held" and holder == (agent, instance, boot, claim.fence):
            return _held(row)
        if row["state"] == "held" and holder[:2] == (agent, instance) and row["boot"] != boot:
            raise Superseded(f"Another process of {instance} took {claim.issue} over. Stop; do not write any more.")
        raise Fenced(f"Your claim on {claim.issue} is over: it is {row['state']}. Stop; do not write any more.")

    async def _row(self, claim: Claim) -> asyncpg.Record:
        async with connection_of(self.store.pool) as connection:
            row = await connection.fetchrow(SQL["find"], number_of(claim))
        if row is None or row["repository"].lower() != claim.repository.lower():
            raise NotFound(f"The rig knows no chore {claim.issue}.")
        return row

    async def check_or_done(self, claim: Claim, caller: Caller) -> Held | None:
        """The chore that a claim is on, or None where the same holder ended it before.

        Raises:
            Fenced, Superseded: The claim is over.
        """
        row = await self._row(claim)
        who = (caller.subject, caller.instance, caller.boot, claim.fence)
        if row["state"] == "done" and (row["agent"], row["instance"], row["boot"], row["fence"]) == who:
            return None
        return await self.check(claim, caller.subject, caller.instance, caller.boot)

    async def finish(self, connection: Connection, caller: Caller, claim: Claim, summary: str) -> Held | None:
        """End a claim well, in the caller's transaction; None where the claim is over by now."""
        said = (*_key(caller, claim), "done", summary, STRIKES, 0)
        row = await connection.fetchrow(SQL["finish"], *said)
        return _held(row) if row else None

    async def done(self, held: Held, summary: str) -> None:
        """Note the end of a chore."""
        said = summary[:SHOWN]
        event = e.ChoreDone(kind=held.kind, agent=held.agent, run=held.run, summary=said, issue=held.issue)
        await self._note(held, event, held.agent)

    async def give_back(self, caller: Caller, claim: Claim, reason: str, strike: bool) -> None:
        """Offer it again; after two strikes nobody gets it any more.

        Raises:
            Fenced, Superseded: The claim is over.
        """
        async with connection_of(self.store.pool) as connection, connection.transaction():
            said = (*_key(caller, claim), "open", reason, STRIKES, int(strike))
            row = await connection.fetchrow(SQL["finish"], *said)
            if row:
                await give_up(connection, row)
        if row is None:
            await self.check(claim, caller.subject, caller.instance, caller.boot)
        else:
            await self._tell_end(row)

    async def expire(self, first_seconds: float, grace_seconds: float) -> int:
        """Take back what had no heartbeat in time; how many there were."""
        async with connection_of(self.store.pool) as connection, connection.transaction():
            rows = await connection.fetch(SQL["lapse"], first_seconds, grace_seconds, STRIKES)
            for row in rows:
                await give_up(connection, row)
        for row in rows:
            await self._tell_end(row)
        return len(rows)

    async def _tell_end(self, row: asyncpg.Record) -> None:
        held = _held(row)
        if row["state"] == "failed":
            said = row["outcome"][:SHOWN]
            event = e.ChoreFailed(kind=held.kind, agent=held.agent, reason=said, issue=held.issue)
            await self._note(held, event, "conductor")
        await self.store.wake.publish(ASSIGNMENTS, EFFECTS)

    async def _note(self, held: Held, event: e.Event, actor: str) -> None:
        await record(self.store, f"chore-{held.id}", event, actor, held.issue or None)


async def keep(connection: Connection, chore: Chore) -> int | None:
    """Keep `chore` in the caller's transaction; its number, or None where it was offered before."""
    where = chore.repository or (chore.issue.partition("#")[0] or NOWHERE)
    what = (chore.issue, chore.title, chore.body, dict(chore.data), PRIORITY_RANK[chore.priority])
    return await connection.fetchval(SQL["offer"], chore.key, chore.kind, chore.agent, where, *what)


async def write_effect(connection: Connection, effect: Effect) -> None:
    """Queue something to do outside, once per key, in the caller's transaction."""
    row = {name: getattr(effect, name) for name in ("key", "stream", "lane", "kind")}
    rows = encode([row | {"data": dict(effect.data), "delay": 0}]).decode()
    await connection.execute(STORE_SQL["write_effects"], rows)


async def give_up(connection: Connection, row: asyncpg.Record) -> None:
    """What nobody could do is done without an agent, where its offer says how; whoever asked a question is told."""
    if row["state"] != "failed":
        return
    if otherwise := row["data"].get("otherwise"):
        await write_effect(connection, Effect(**otherwise))
    if row["kind"] == "answer":
        await connection.execute(SQL["tell_asker"], row["data"]["asked_by"], _unanswered(row))


def _unanswered(row: asyncpg.Record) -> str:
    asked, why = row["body"][:QUOTED], row["outcome"][:QUOTED]
    return f"{row['agent']} could not answer your question “{asked}”: {why}\nAsk again once that is mended."


def number_of(claim: Claim) -> int:
    """Which chore a claim is on.

    Raises:
        InvalidInput: It names an issue.
    """
    _, tilde, number = claim.issue.partition("~")
    if not tilde or len(number) > 18:
        raise InvalidInput(f"{claim.issue} is no chore.")
    return int(number)


def _key(caller: Caller, claim: Claim) -> tuple[int, int, str, str, str]:
    return number_of(claim), claim.fence, caller.subject, caller.instance, caller.boot


def _held(row: asyncpg.Record) -> Held:
    said = {name: row[name] for name in ("id", "kind", "agent", "repository", "issue", "title", "body", "data")}
    more = {name: row[name] for name in ("fence", "run")}
    return Held(
        **said, **more, priority=RANKS[row["priority"]], attempt=row["strikes"] + 1, evidence=row["outcome"]
    )  # fmt: skip
