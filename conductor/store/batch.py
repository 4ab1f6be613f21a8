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
DEFINE = f"{SQL['define_append']};\n{SQL['define_append_with']}"  # what a writer's connection needs
Request = tuple[str, str, str]


@dataclass
class Chain:
    """Appends of one batch that follow each other on one stream: all of them are written or none is.

    Attributes:
        number: Its place among those that are written; 0 where it turned out that it cannot be.
        expected: The version that the stream must have, if any.
        length: How many events they have together.
        head: Where the stream ended before; known once the batch is written, as is whether the chain was.
    """

    number: int
    stream: str
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
            link = self.chains[append.stream] = Chain(len(self.chains) + 1, append.stream, append.expected)
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
        Where a chain cannot be written nothing is, and the others are tried again without it.
        """
        going = list(self.chains.values())
        while going:
            placed = [p for p in self.placed if p.chain.number]
            arguments = _events(going, placed)
            if self.plain:
                done = await connection.fetchrow(SQL["append"], *arguments)
            else:
                done = await connection.fetchrow(SQL["append_with"], *arguments, *_beside(placed), lease_seconds)
            going = self._settle(going, done)

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

    def _settle(self, going: list[Chain], done: asyncpg.Record | None) -> list[Chain]:
        """Note what the database said; what is to be tried again."""
        if done is None:
            raise asyncpg.InternalClientError("the writer's function gave no row")
        last, heads, fits, answered = done
        for link, head in zip(going, heads, strict=True):
            link.head, link.written = head, fits
        if fits:
            for placed in self.placed:
                last += len(placed.append.events) if placed.chain.written else 0
                placed.position = last
            return []
        left: list[Chain] = []
        for link in going:
            fit = link.expected in (None, link.head) and link.number not in answered
            link.number = len(left) + 1 if fit else 0
            left += [link] if fit else []
        return left

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


def _events(chains: list[Chain], placed: list[Placed]) -> list[list[tuple[Any, ...]]]:
    events = [
        (p.chain.number, p.after + n, p.append.stream, *event)
        for p in placed
        for n, event in enumerate(p.rows.events, start=1)
    ]
    return [[(link.stream, link.expected) for link in chains], events]


def _beside(placed: list[Placed]) -> list[Any]:
    """The rows beside the events; what a stream has one of is as its last append leaves it."""
    answers = [(p.chain.number, *p.rows.answer) for p in placed if p.rows.answer]
    issues = {p.append.stream: p.rows.issue for p in placed if p.rows.issue}
    offers = {p.append.stream: p.rows.offer for p in placed if p.rows.offer is not None}
    work = {p.append.stream: p.rows.work for p in placed if p.rows.work}
    claims = {p.append.stream: p.rows.claim for p in placed if p.rows.claim is not None}
    return [
        answers,
        list(issues.values()),
        [row for row in offers.values() if row],
        [stream for stream, row in offers.items() if not row],
        [(repository, stream) for stream, (repository, begins) in work.items() if begins],
        [(repository, stream) for stream, (repository, begins) in work.items() if not begins],
        [row for row in claims.values() if row],
        list(claims),
        [effect for p in placed for effect in p.rows.effects],
    ]


def _request(answer: Answer) -> Request:
    return answer.caller, answer.tool, answer.request_id
