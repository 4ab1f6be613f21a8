"""Finds the memories that fit a question: the best by their words and by their meaning, ranked together."""

from __future__ import annotations

from collections.abc import Sequence
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
NEAR = 150  # parts of memories, which are up to as many memories
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
    """The terms of a question with what each is worth: those that choose, and those that only add.

    Attributes:
        rarities: Of all its terms by their names, also of those that stand in no memory.
    """

    choosing: dict[int, float]
    adding: dict[int, float]
    names: dict[int, str]
    rarities: dict[str, float]


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
        meant = await self._meaning.of_query(query)
        async with self._pool.acquire() as connection:
            documents = await connection.fetchval(SQL["count_scopes"], scopes)
            asked = await _weighed(connection, query, scopes, documents, self._many)
            numbers = [number_of(kind) for kind in kinds]
            by_index = everywhere and documents > self._by_index
            near = await _near(connection, meant, scopes, numbers, by_index)
            rows = await _candidates(connection, scopes, asked, numbers, near, meant)
            found = _ranked(query, asked, rows, limit)
            relevant = await _fits(connection, asked, found)
        return Ranking(found, relevant, self._note(meant, asked, relevant))

    def _note(self, meant: Vectors | None, asked: _Asked, relevant: bool) -> str:
        if meant is None and not asked.choosing:
            return WORDLESS
        said = [AWAY] if meant is None and self._meaning.exists else []
        return " ".join(said if relevant else [*said, NOTHING])


async def _weighed(connection: Connection, query: str, scopes: Sequence[int], documents: int, many: int) -> _Asked:
    names = {term_id(term): term for term in terms(query)}
    rows = await connection.fetch(SQL["weigh_terms"], list(names), scopes)
    frequencies = {row["term"]: row["df"] for row in rows if row["df"] > 0}
    rarities = {name: ranking.rarity(frequencies.get(term, 1), documents) for term, name in names.items()}
    rarest = sorted(frequencies, key=lambda term: (frequencies[term], term))[:MOST_TERMS]
    gains = {term: rarities[names[term]] for term in rarest}
    choosing = {term: gain for term, gain in gains.items() if frequencies[term] <= COMMON * documents}
    if documents < many or not choosing:
        return _Asked(gains, {}, names, rarities)
    adding = {term: gain for term, gain in gains.items() if term not in choosing}
    return _Asked(choosing, adding, names, rarities)


async def _near(
    connection: Connection, meant: Vectors | None, scopes: Sequence[int], kinds: Sequence[int], by_index: bool
) -> Sequence[asyncpg.Record]:
    if meant is None:
        return []
    if by_index:
        return await connection.fetch(SQL["near_by_index"], meant.model, meant.parts[0], kinds, NEAR)
    some = kinds if len(kinds) < len(KINDS) else None  # to look at each one's kind takes time
    return await connection.fetch(SQL["near_exactly"], meant.model, scopes, meant.parts[0], some, NEAR)


async def _candidates(
    connection: Connection,
    scopes: Sequence[int],
    asked: _Asked,
    kinds: Sequence[int],
    near: Sequence[asyncpg.Record],
    meant: Vectors | None,
) -> Sequence[asyncpg.Record]:
    nearest = sorted(near, key=lambda row: -row["cosine"])[: ranking.CANDIDATES]
    return await connection.fetch(
        SQL["candidates"],
        *(scopes, list(asked.choosing), list(asked.choosing.values()), kinds, ranking.CANDIDATES),
        *(list(asked.adding), list(asked.adding.values())),
        *([row["memory_id"] for row in nearest], [row["cosine"] for row in nearest]),
        *((meant.model, meant.parts[0]) if meant else (None, None)),
    )


def _ranked(query: str, asked: _Asked, rows: Sequence[asyncpg.Record], limit: int) -> list[Ranked]:
    bm25 = {row["id"]: row["bm25"] for row in rows if row["bm25"] > 0}
    cosine = {row["id"]: row["cosine"] for row in rows if row["cosine"] is not None}
    priors = {row["id"]: ranking.prior(row["importance"], row["hits"], row["misled"]) for row in rows}
    share = ranking.weight(query, ranking.matched(bm25.values(), asked.rarities))
    fused = ranking.fuse(bm25, cosine, share, priors)
    return [Ranked(id, score, bm25.get(id, 0.0), cosine.get(id)) for id, score in fused[:limit]]


async def _fits(connection: Connection, asked: _Asked, found: Sequence[Ranked]) -> bool:
    """Whether the best of what was found answers the question at all."""
    if not found:
        return False
    nearest = max((one.cosine for one in found if one.cosine is not None), default=None)
    if ranking.relevant(nearest, 0.0):
        return True
    best = [one.id for one in found[:LOOKED_AT]]
    held = await connection.fetch(SQL["terms_of"], best, list(asked.names))
    shares = (ranking.coverage(asked.rarities, [asked.names[term] for term in row["terms"]]) for row in held)
    return ranking.relevant(nearest, max(shares, default=0.0))
