"""What the writer's transaction writes: appends placed at the ends of their streams, and the rows that follow."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from conductor.events import RigPaused, RigResumed
from conductor.store.records import Answer, Append, Appended, Rows, encode
from servers.kit.database import LOST, Connection, load_queries
from servers.kit.errors import Conflict

SQL = load_queries(Path(__file__).with_name("store.sql"))
ROWS = {"write_issues": "text", "open_claims": "text, float8", "write_effects": "text", "write_answers": "text"}
# What a writer's connection needs: one function that calls each statement by its name.
DEFINE = ";\n".join(
    [SQL["define_append"], SQL["define_append_one"], SQL["define_append_with"]]
    + [
        f"CREATE OR REPLACE FUNCTION pg_temp.{name}({arguments}) RETURNS void LANGUAGE plpgsql"
        f" AS $function$ BEGIN {SQL[name]}\n; END $function$"
        for name, arguments in ROWS.items()
    ]
)
Request = tuple[str, str, str]


@dataclass
class Chain:
    """Appends of one batch that follow each other on one stream: all of them are written or none is.

    Attributes:
        expected: The version that the stream must have, if any.
        length: How many events they have together.
        head: Where the stream ended before; known once the batch is written, as is whether the chain was.
    """

    number: int
    expected: int | None
    length: int = 0
    head: int = 0
    written: bool = False

    @property
    def end(self) -> int:
        """Where the stream ends now."""
        return self.head + self.length if self.written else self.head

    def fits(self, append: Append) -> bool:
        """Whether `append` may follow."""
        if self.expected is None or append.expected is None:
            return self.expected is append.expected
        return append.expected == self.expected + self.length


@dataclass
class Placed:
    """An append behind `after` events of its chain; once written, its last event is at `position` of the log."""

    append: Append
    rows: Rows
    chain: Chain
    after: int
    position: int = 0


@dataclass
class Batch:
    """One transaction's worth, made before the lock is taken; whether streams are as expected is seen under it."""

    chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    placed: list[Placed] = field(default_factory=list[Placed])
    requests: dict[Request, Chain] = field(default_factory=dict[Request, Chain])

    def add(self, append: Append, rows: Rows) -> Placed | None:
        """Place an append behind what the batch has for its stream; None where it has to wait for the next batch."""
        link = self.chains.get(append.stream)
        if append.answer and (link or _request(append.answer) in self.requests):
            return None
        if link is None:
            link = self.chains[append.stream] = Chain(len(self.chains) + 1, append.expected)
        elif not link.fits(append):
            return None
        if append.answer:
            self.requests[_request(append.answer)] = link
        placed = Placed(append, rows, link, link.length)
        link.length += len(append.events)
        self.placed.append(placed)
        return placed

    @property
    def pauses(self) -> bool:
        """Whether something is paused or no longer is, which takes a transaction around `write`."""
        return any(placed.rows.pauses for placed in self.placed)

    @property
    def plain(self) -> bool:
        """Whether there is nothing to write but events."""
        return not any(placed.rows.beside for placed in self.placed)

    async def write(self, connection: Connection, lease_seconds: float) -> None:
        """Write the events of those chains whose streams are as expected, and the rows that follow from them.

        It takes the writer's lock, and where there are no pauses it is one round trip, a transaction of its own.
        """
        if not self.plain:
            ended = [p.append.stream for p in self.placed if p.rows.claim is not None]
            beside = [*_columns(self._beside(), 3), ended, lease_seconds]
            written = await connection.fetchrow(SQL["append_with"], *self._events(), *beside)
        elif len(self.placed) == 1 and len(self.placed[0].rows.events) == 1 and not self.requests:
            [one] = self.placed
            written = await connection.fetchrow(
                SQL["append_one"], one.append.stream, one.append.expected, *one.rows.events[0]
            )
        else:
            written = await connection.fetchrow(SQL["append"], *self._events())
        self._settle(written)

    async def write_pauses(self, connection: Connection) -> None:
        """Write what is paused from now on, and what no longer is."""
        pauses = {e.scope.lower(): e for p in self.placed if p.chain.written for e in p.rows.pauses}
        begun = [
            encode({"scope": scope, "by": e.by, "reason": e.reason, "until": e.until, "now": e.now})
            for scope, e in pauses.items()
            if isinstance(e, RigPaused)
        ]
        if begun:
            await connection.execute(SQL["write_pauses"], f"[{b','.join(begun).decode()}]")
        if ended := [scope for scope, e in pauses.items() if isinstance(e, RigResumed)]:
            await connection.execute(SQL["end_pauses"], ended)

    def _events(self) -> list[Any]:
        links = self.chains.values()
        requests = [(link.number, *request) for request, link in self.requests.items()]
        events = [
            (p.append.stream, p.chain.number, p.after + n, *event)
            for p in self.placed
            for n, event in enumerate(p.rows.events, start=1)
        ]
        return [list(self.chains), [link.expected for link in links], *_columns(requests, 4), *_columns(events, 9)]

    def _beside(self) -> list[tuple[str, int, str]]:
        """The rows: the statement that writes it, its chain, itself; of an issue's and its claim's the last one."""
        issues = {p.chain.number: p.rows.issue for p in self.placed if p.rows.issue is not None}
        claims = {p.chain.number: p.rows.claim for p in self.placed if p.rows.claim is not None}
        effects = [(p.chain.number, effect) for p in self.placed for effect in p.rows.effects]
        answers = [(p.chain.number, p.rows.answer) for p in self.placed if p.rows.answer is not None]
        rows = {"write_issues": issues.items(), "open_claims": claims.items()}
        beside = rows | {"write_effects": effects, "write_answers": answers}
        return [(table, chain, row.decode()) for table, some in beside.items() for chain, row in some if row]

    def _settle(self, written: asyncpg.Record | None) -> None:
        if written is None:
            raise asyncpg.InternalClientError("the writer's function gave no row")
        for link, head, done in zip(self.chains.values(), written["heads"], written["written"], strict=True):
            link.head, link.written = head, done
        position = written["last"]
        for placed in self.placed:
            position += len(placed.append.events) if placed.chain.written else 0
            placed.position = position

    def outcome(self, append: Append, placed: Placed | None) -> Appended | Conflict | None:
        """What became of an append once the batch is written; None where it has to go into the next batch."""
        link = self.chains.get(append.stream)
        if link is None:  # the same request is in the batch for another stream
            return None
        if placed and link.written:
            return Appended(link.head + placed.after + len(append.events), placed.position)
        if append.expected not in (None, link.end):
            return Conflict(f"{append.stream} is at version {link.end}, not {append.expected}. Read it again.")
        if placed and append.answer:
            return Conflict(f"The request {append.answer.request_id} was answered before.")
        return None


@asynccontextmanager
async def locked(connection: Connection) -> AsyncGenerator[None]:
    """A transaction that has the writer's lock before it reads anything."""
    await connection.execute(SQL["begin"])
    try:
        yield
    except BaseException:
        with suppress(*LOST, asyncpg.PostgresError):
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) or [()] * count


def _request(answer: Answer) -> Request:
    return answer.caller, answer.tool, answer.request_id
