"""Finds the memories that fit a question: the best by their words and by their meaning, ranked together."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from servers.kit.database import Connection, Pool, load_queries
from servers.kit.errors import InvalidInput
from servers.memory import ranking
from servers.memory.drafts import number_of
from servers.memory.indexing import term_id
from servers.memory.meaning import Meaning, Vectors
from servers.memory.models import KINDS, Kind
from servers.memory.tokens import terms

SQL = load_queries(Path(__file__).with_name("reading.sql"))
BY_INDEX = 30_000  # from so many memories on, looking at each takes longer than the index does
MANY, COMMON = 2_000, 0.1  # among many memories a word in a tenth of them does not choose, it only adds
MOST_TERMS = 64
LOOKED_AT = 3
AWAY = "The embedder is away: found by their words alone."
WORDLESS = "There is no embedder, and the query has no words to look for."
NOTHING = "Nothing that is remembered fits the query."


@dataclass(frozen=True)
class Ranked:
    """A memory's place: its score, and what it is made of; the cosine is None where there is no vector."""

    id: int
    score: float
    bm25: float
    cosine: float | None


@dataclass(frozen=True)
class Ranking:
    """The memories found, best first.

    Attributes:
        relevant: False where nothing fits; what is found is only the nearest then.
        note: What limited the search.
    """

    found: list[Ranked]
    relevant: bool
    note: str = ""


@dataclass(frozen=True)
class _Asked:
    """The terms of a question, and how many memories there are.

    Attributes:
        rarities: Of all its terms by their names, also of those that stand in no memory.
        gains: What each term that stands somewhere is worth; the rarest, if there are many.
        choosing: Those that choose memories; the others only add.
    """

    documents: int
    rarities: dict[str, float]
    gains: dict[int, float]
    choosing: Collection[int]


class Search:
    """Searches one database.

    Args:
        by_index: From so many memories on, a search over all scopes takes the index of the vectors.
        many: From so many memories on, words that are common among them do not choose.
    """

    def __init__(self, pool: Pool, meaning: Meaning, by_index: int = BY_INDEX, many: int = MANY) -> None:
        self._pool = pool
        self._meaning = meaning
        self._by_index = by_index
        self._many = many

    async def find(
        self, query: str, scopes: Sequence[int], everywhere: bool, kinds: Sequence[Kind], limit: int
    ) -> Ranking:
        """The memories of `scopes` that fit best.

        Args:
            everywhere: Whether these are all scopes there are.

        Raises:
            InvalidInput: The query is empty.
        """
        if not query.strip():
            raise InvalidInput("The query is empty. Say what you want to know, or call list_recent.")
        numbers = [number_of(kind) for kind in kinds] if len(kinds) < len(KINDS) else None
        meaning = asyncio.create_task(self._meaning.of_query(query))
        try:
            asked, worded = await self._by_words(query, scopes, numbers)
        except BaseException:
            meaning.cancel()
            raise
        meant = await meaning
        by_index = everywhere and asked.documents > self._by_index
        rows = await self._pool.fetch(
            SQL["candidates"],
            *([row[column] for row in worded] for column in ("memory_id", "scope_id", "bm25", "held")),
            *(list(asked.gains), list(asked.gains.values()), [term in asked.choosing for term in asked.gains]),
            *((meant.model, meant.parts[0]) if meant else (None, None)),
            *(None if by_index else scopes, numbers),
        )
        found = _ranked(query, asked, rows, limit)
        relevant = _fits(asked, rows, found)
        return Ranking(found, relevant, self._note(meant, asked, relevant))

    async def _by_words(
        self, query: str, scopes: Sequence[int], kinds: Sequence[int] | None
    ) -> tuple[_Asked, Sequence[asyncpg.Record]]:
        async with self._pool.acquire() as connection:
            asked = await _weighed(connection, query, scopes, self._many)
            if not asked.choosing:
                return asked, []
            gains = [asked.gains[term] for term in asked.choosing]
            chosen = (scopes, list(asked.choosing), gains, kinds, ranking.CANDIDATES)
            return asked, await connection.fetch(SQL["best_by_words"], *chosen)

    def _note(self, meant: Vectors | None, asked: _Asked, relevant: bool) -> str:
        if meant is None and not asked.choosing:
            return WORDLESS
        said = [AWAY] if meant is None and self._meaning.exists else []
        return " ".join(said if relevant else [*said, NOTHING])


async def _weighed(connection: Connection, query: str, scopes: Sequence[int], many: int) -> _Asked:
    names = {term_id(term): term for term in terms(query)}
    [row] = await connection.fetch(SQL["weigh_terms"], list(names), scopes)
    documents, frequencies = row["documents"], dict(zip(row["terms"], row["frequencies"], strict=True))
    rarities = {name: ranking.rarity(frequencies.get(term, 1), documents) for term, name in names.items()}
    rarest = sorted(frequencies, key=lambda term: (frequencies[term], term))[:MOST_TERMS]
    gains = {term: rarities[names[term]] for term in rarest}
    choosing = {term for term in rarest if frequencies[term] <= COMMON * documents}
    return _Asked(documents, rarities, gains, choosing if choosing and documents >= many else set(gains))


def _ranked(query: str, asked: _Asked, rows: Sequence[asyncpg.Record], limit: int) -> list[Ranked]:
    bm25 = {row["id"]: row["bm25"] for row in rows if row["bm25"] > 0}
    cosine = {row["id"]: row["cosine"] for row in rows if row["cosine"] is not None}
    priors = {row["id"]: ranking.prior(row["importance"], row["hits"], row["misled"]) for row in rows}
    share = ranking.weight(query, ranking.matched(bm25.values(), asked.rarities))
    fused = ranking.fuse(bm25, cosine, share, priors)
    return [Ranked(id, score, bm25.get(id, 0.0), cosine.get(id)) for id, score in fused[:limit]]


def _fits(asked: _Asked, rows: Sequence[asyncpg.Record], found: Sequence[Ranked]) -> bool:
    """Whether the best of what was found answers the question at all."""
    if not found:
        return False
    nearest = max((one.cosine for one in found if one.cosine is not None), default=None)
    best = {one.id for one in found[:LOOKED_AT]}
    held = max(row["held"] for row in rows if row["id"] in best)
    return ranking.relevant(nearest, ranking.coverage(asked.rarities, held))
