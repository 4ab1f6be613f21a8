"""Keeps the scopes that are asked for in this process, and knows at each search what changed in them since."""

from __future__ import annotations

import asyncio
import ctypes
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from servers.kit.database import LOST, Connection, Pool, load_queries
from servers.kit.logs import get
from servers.memory.candidates import Asked, Candidate
from servers.memory.meaning import Vectors

if TYPE_CHECKING:
    from servers.memory.replica import Replica, View

SQL = load_queries(Path(__file__).with_name("replicas.sql"))
MOST_BYTES = 14_000_000
REMEMBERED = 250  # so many changes of a scope stand in the database
REREAD, MOST_TOUCHED = 50, 200
EACH_SEARCH = 1_000  # reading so many takes about as long as a search in the database
AT_ONCE = 200
log = get(__name__)


class Replicated:
    """Some scopes as they are right now: their replicas, and what changed since from the database.

    Attributes:
        documents: How many memories there are.
        frequencies: In how many each of the question's terms stands, without those that stand in none.
    """

    def __init__(
        self, pool: Pool, views: Sequence[View], rows: Sequence[asyncpg.Record], kinds: Sequence[int] | None
    ) -> None:
        self._pool = pool
        self._views = views
        self._scopes, self._kinds = [row["id"] for row in rows], kinds
        self._touched = [memory for row in rows for memory in row["touched"]]
        self.documents = sum(row["documents"] for row in rows)
        self.frequencies: Counter[int] = Counter()
        for row in rows:
            self.frequencies.update(dict(zip(row["terms"], row["frequencies"], strict=True)))

    async def candidates(self, asked: Asked, meaning: Awaitable[Vectors | None]) -> list[Candidate] | None:
        """The best by words and the nearest; None where the meaning is of another model than the replicas."""
        from servers.memory.replica import Direction, least

        worded = [view.words(asked.gains) for view in self._views]
        meant = await meaning
        if meant and any(view.replica.model != meant.model for view in self._views):
            return None
        direction = Direction(meant.parts[0]) if meant else None
        found = [view.find(words, direction) for view, words in zip(self._views, worded, strict=True)]
        changed = await self._changed(asked, meant)
        words = least([*(each.bm25 for each in found), [one.bm25 for one in changed]])
        near = least([*(each.cosine for each in found), [one.cosine or 0.0 for one in changed]])
        chosen = [one for each in found for one in each.candidates(words, near)]
        return chosen + [one for one in changed if 0 < one.bm25 >= words or (one.cosine or 0.0) >= near]

    async def _changed(self, asked: Asked, meant: Vectors | None) -> list[Candidate]:
        if not self._touched:
            return []
        terms = (list(asked.gains), list(asked.gains.values()))
        meaning = (meant.model, meant.parts[0]) if meant else (None, None)
        rows = await self._pool.fetch(SQL["known"], self._touched, *terms, *meaning, self._scopes, self._kinds)
        return [Candidate(*row) for row in rows]


class Replicas:
    """The replicas of one process, of which those go that were not asked for the longest.

    Reading a scope takes as long as many searches in the database; so it is read once it was asked for as often.

    Args:
        most: How many bytes they may take.
    """

    def __init__(self, pool: Pool, most: int = MOST_BYTES) -> None:
        self._pool = pool
        self._most = most
        self._held: OrderedDict[int, Replica] = OrderedDict()
        self._asked: Counter[int] = Counter()
        self._reading: dict[int, asyncio.Task[None]] = {}
        self._too_large: set[int] = set()
        self._turn = asyncio.Lock()

    async def now(
        self, scopes: Sequence[int], kinds: Sequence[int] | None, terms: Collection[int] = ()
    ) -> Replicated | None:
        """The scopes as they are now; None where they are not all held, or too much has changed in them."""
        held = {scope: self._held[scope] for scope in scopes if scope in self._held}
        for scope in held:
            self._held.move_to_end(scope)
        if len(held) < len(scopes):
            return None
        rows = await self._pool.fetch(
            SQL["now"], list(held), [replica.number for replica in held.values()], list(terms)
        )
        behind = [self._is_behind(row, held[row["id"]]) for row in rows]
        if any(behind):
            return None
        views = [held[row["id"]].view(row["touched"], kinds, row["now"]) for row in rows]
        return Replicated(self._pool, views, rows, kinds)

    def want(self, scopes: Sequence[int], documents: int, meant: Vectors | None) -> None:
        """Note that scopes were asked for that are not held, or not with this model's vectors."""
        dimension = meant.parts[0].dimensions() if meant else 0
        if documents * dimension > self._most or self._too_large.intersection(scopes):
            return
        for scope in scopes:
            replica = self._held.get(scope)
            if replica is None or (meant and replica.model != meant.model):
                self._asked[scope] += 1
                if self._asked[scope] > documents // EACH_SEARCH:
                    self._read(scope, meant.model if meant else None, dimension)

    async def settled(self) -> None:
        """Return once nothing is being read any more."""
        while self._reading:
            await asyncio.wait(self._reading.values())

    def _is_behind(self, row: asyncpg.Record, replica: Replica) -> bool:
        behind = row["changed"] - replica.number
        if behind > REREAD:
            self._read(row["id"], replica.model, replica.dimension)
        return behind > REMEMBERED or len(row["touched"]) > MOST_TOUCHED

    def _read(self, scope: int, model: int | None, dimension: int) -> None:
        if scope not in self._reading:
            self._reading[scope] = asyncio.create_task(self._hold(scope, model, dimension))

    async def _hold(self, scope: int, model: int | None, dimension: int) -> None:
        try:
            async with self._turn:
                if replica := await self._replica(scope, model, dimension):
                    self._held[scope] = replica
                else:
                    self._too_large.add(scope)
        except (*LOST, asyncpg.PostgresError) as error:
            log.info("a scope could not be read", scope=scope, reason=str(error))
        finally:
            del self._reading[scope], self._asked[scope]
            _give_back()

    async def _replica(self, scope: int, model: int | None, dimension: int) -> Replica | None:
        from servers.memory.replica import Reading  # with numpy, which not every process needs

        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            [row] = await connection.fetch(SQL["scope"], scope, model)
            reading = Reading(row["number"], row["memories"], row["issues"], row["postings"], row["parts"], dimension)
            if reading.size > self._most:
                return None
            while sum(replica.size for replica in self._held.values()) + reading.size > self._most:
                self._held.popitem(last=False)
            async for rows in _some(connection, SQL["postings"], scope):
                reading.say(rows)
            async for rows in _some(connection, SQL["vectors"], scope, model):
                reading.mean(rows)
        return reading.done(model)


async def _some(connection: Connection, query: str, *given: Any) -> AsyncGenerator[list[asyncpg.Record]]:
    """The rows of a query, some at a time."""
    cursor = await connection.cursor(query, *given)
    while rows := await cursor.fetch(AT_ONCE):
        yield rows


def _give_back() -> None:
    """What was taken only to read goes back to the system, where the C library can do that."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
