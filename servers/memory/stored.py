"""The indexes as they stand in the database, for scopes that are too large to be held or were not asked for yet."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from pathlib import Path

from servers.kit.database import Pool, load_queries
from servers.memory.candidates import Asked, Candidate
from servers.memory.meaning import Vectors
from servers.memory.ranking import CANDIDATES

SQL = load_queries(Path(__file__).with_name("stored.sql"))
BY_INDEX = 30_000  # from so many memories on, looking at each takes longer than the index does
MANY, COMMON = 2_000, 0.1  # among many memories a word in a tenth of them does not choose, it only adds


class Stored:
    """What some scopes hold.

    Args:
        kinds: Which memories count; all where it is None.
        everywhere: Whether these are all scopes there are.
        by_index: From so many memories on, a search over all scopes takes the index of the vectors.
        many: From so many memories on, words that are common among them do not choose.
    """

    def __init__(
        self,
        pool: Pool,
        scopes: Sequence[int],
        kinds: Sequence[int] | None,
        everywhere: bool,
        by_index: int = BY_INDEX,
        many: int = MANY,
    ) -> None:
        self._pool = pool
        self._scopes, self._kinds = scopes, kinds
        self._by_index = by_index if everywhere else None
        self._many = many

    async def count(self, terms: Collection[int]) -> tuple[int, Mapping[int, int]]:
        """How many memories there are, and in how many each of the terms stands, without those that stand in none."""
        [row] = await self._pool.fetch(SQL["weigh_terms"], list(terms), self._scopes)
        return row["documents"], dict(zip(row["terms"], row["frequencies"], strict=True))

    async def candidates(self, asked: Asked, meaning: Awaitable[Vectors | None]) -> list[Candidate]:
        """The best by words, which are looked for while the meaning is found out, and the nearest to it."""
        choosing = self._choosing(asked)
        gains = [asked.gains[term] for term in choosing]
        chosen = (self._scopes, choosing, gains, self._kinds, CANDIDATES)
        worded = await self._pool.fetch(SQL["best_by_words"], *chosen) if choosing else []
        meant = await meaning
        by_index = self._by_index is not None and asked.documents > self._by_index
        rows = await self._pool.fetch(
            SQL["candidates"],
            *([row[column] for row in worded] for column in ("memory_id", "scope_id", "bm25", "held")),
            *(list(asked.gains), list(asked.gains.values()), [term in choosing for term in asked.gains]),
            *((meant.model, meant.parts[0]) if meant else (None, None)),
            *(None if by_index else self._scopes, self._kinds),
        )
        return [Candidate(*row) for row in rows]

    def _choosing(self, asked: Asked) -> list[int]:
        """The terms that choose memories; the others only add."""
        rare = [term for term, found_in in asked.frequencies.items() if found_in <= COMMON * asked.documents]
        return rare if rare and asked.documents >= self._many else list(asked.frequencies)
