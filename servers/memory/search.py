"""Finds the memories that fit a question: the best by their words and by their meaning, ranked together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from servers.kit.database import Pool
from servers.kit.errors import InvalidInput
from servers.memory import ranking
from servers.memory.candidates import Asked, Candidate, numbered, weighed
from servers.memory.drafts import number_of
from servers.memory.meaning import Meaning, Vectors
from servers.memory.models import KINDS, Kind
from servers.memory.replicas import Replicas
from servers.memory.stored import BY_INDEX, MANY, Stored

LOOKED_AT = 3
AWAY = "The embedder is away: found by their words alone."
UNTAKEN = "The embedder does not take the query: found by its words alone."
WORDLESS = "There is no embedder, and the query has no words to look for."
EMPTY = "Nothing is remembered here yet."
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


class Search:
    """Searches one database.

    Args:
        by_index, many: See `Stored`.
    """

    def __init__(self, pool: Pool, meaning: Meaning, by_index: int = BY_INDEX, many: int = MANY) -> None:
        self._pool = pool
        self._meaning = meaning
        self._by_index = by_index
        self._many = many
        self.replicas = Replicas(pool)

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
            asked, candidates = await self._candidates(query, scopes, everywhere, numbers, meaning)
        except BaseException:
            meaning.cancel()
            raise
        meant = await meaning
        found = _ranked(query, asked, candidates, limit)
        relevant = _fits(asked, candidates, found)
        return Ranking(found, relevant, self._note(meant, asked, relevant))

    async def _candidates(
        self,
        query: str,
        scopes: Sequence[int],
        everywhere: bool,
        kinds: Sequence[int] | None,
        meaning: asyncio.Task[Vectors | None],
    ) -> tuple[Asked, list[Candidate]]:
        names = numbered(query)
        replicated = None if everywhere else await self.replicas.now(scopes, kinds, names)
        if replicated:
            asked = weighed(names, replicated.documents, replicated.frequencies)
            candidates = await replicated.candidates(asked, meaning)
            if candidates is not None:
                return asked, candidates
        stored = Stored(self._pool, scopes, kinds, everywhere, self._by_index, self._many)
        asked = weighed(names, *await stored.count(names))
        candidates = await stored.candidates(asked, meaning)
        if not everywhere:
            self.replicas.want(scopes, asked.documents, await meaning)
        return asked, candidates

    def _note(self, meant: Vectors | None, asked: Asked, relevant: bool) -> str:
        if not asked.documents:
            return EMPTY
        if not (self._meaning.exists or asked.rarities):
            return WORDLESS
        said = [AWAY if self._meaning.away else UNTAKEN] if meant is None and self._meaning.exists else []
        return " ".join(said if relevant else [*said, NOTHING])


def _ranked(query: str, asked: Asked, candidates: Sequence[Candidate], limit: int) -> list[Ranked]:
    bm25 = {one.id: one.bm25 for one in candidates if one.bm25 > 0}
    cosine = {one.id: one.cosine for one in candidates if one.cosine is not None}
    priors = {one.id: ranking.prior(one.importance, one.hits, one.misled) for one in candidates}
    share = ranking.weight(query, ranking.matched(bm25.values(), asked.rarities))
    fused = ranking.fuse(bm25, cosine, share, priors)
    best = ranking.support(fused, {one.id: one.issue for one in candidates})
    return [Ranked(id, score, bm25.get(id, 0.0), cosine.get(id)) for id, score in best[:limit]]


def _fits(asked: Asked, candidates: Sequence[Candidate], found: Sequence[Ranked]) -> bool:
    """Whether the best of what was found answers the question at all."""
    if not found:
        return False
    nearest = max((one.cosine for one in found if one.cosine is not None), default=None)
    best = {one.id for one in found[:LOOKED_AT]}
    held = max(one.held for one in candidates if one.id in best)
    return ranking.relevant(nearest, ranking.coverage(asked.rarities, held))
