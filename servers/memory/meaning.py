"""What texts mean, as vectors, as far as the embedder answers; whoever asks goes on without it where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pgvector import HalfVector

from servers.kit.clock import Clock, SystemClock
from servers.kit.database import Pool, load_queries
from servers.kit.errors import InvalidInput, Unavailable
from servers.kit.logs import get
from servers.memory.chunks import chunks
from servers.memory.embedders.port import Embedder

SQL = load_queries(Path(__file__).with_name("memory.sql"))
PATIENCE_SECONDS = 5.0
AWAY_SECONDS = 10.0
LONGEST_QUERY = 4_000
log = get(__name__)


@dataclass(frozen=True)
class Vectors:
    """The vectors of a text's parts, and the number of the model they come from."""

    model: int
    parts: list[HalfVector]


class Meaning:
    """An embedder that may be away.

    Args:
        embedder: None where memories are found by their words alone.
    """

    def __init__(self, pool: Pool, embedder: Embedder | None, clock: Clock | None = None) -> None:
        self._pool = pool
        self._embedder = embedder
        self._clock = clock or SystemClock()
        self._models: dict[tuple[str, int], int] = {}
        self._away_until = float("-inf")

    @property
    def exists(self) -> bool:
        """Whether there is an embedder at all, answering or not."""
        return self._embedder is not None

    @property
    def name(self) -> str:
        """The model's name, empty where there is none."""
        return self._embedder.model if self._embedder else ""

    @property
    def away(self) -> bool:
        """Whether the embedder did not answer just now, and is left in peace for a while."""
        return self._clock.monotonic() < self._away_until

    async def of_memories(self, contents: Sequence[str]) -> list[Vectors | None]:
        """The vectors of each content's parts; None for one that the embedder refuses, for all while it is away."""
        split = [chunks(content) for content in contents]
        try:
            found = await self._embed([part for parts in split for part in parts])
        except InvalidInput as error:
            if len(contents) > 1:
                return [vectors for content in contents for vectors in await self.of_memories([content])]
            log.warning("the embedder does not take a text", model=self.name, reason=str(error))
            found = None
        if found is None:
            return [None] * len(contents)
        rest = iter(found)
        vectors = [[next(rest) for _ in parts] for parts in split]
        return [Vectors(await self._model(parts[0]), parts) for parts in vectors]

    async def of_query(self, query: str) -> Vectors | None:
        """The vector of a question; None where the embedder is away or there is none."""
        try:
            found = await self._embed([query[:LONGEST_QUERY]])
        except InvalidInput as error:
            log.warning("the embedder does not take a question", model=self.name, reason=str(error))
            return None
        return Vectors(await self._model(found[0]), found) if found else None

    async def model(self) -> int | None:
        """The number of the model that answers; None where none does."""
        found = await self.of_query("x")
        return found.model if found else None

    async def _embed(self, texts: Sequence[str]) -> list[HalfVector] | None:
        if self._embedder is None or self.away:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return [HalfVector(vector) for vector in await self._embedder.embed(texts)]
        except (Unavailable, TimeoutError) as error:
            # whoever writes or reads meanwhile should not wait for it each time
            self._away_until = self._clock.monotonic() + AWAY_SECONDS
            log.warning("the embedder is away", model=self.name, reason=str(error) or "no answer in time")
            return None

    async def _model(self, vector: HalfVector) -> int:
        key = (self.name, vector.dimensions())
        if key not in self._models:
            self._models[key] = await self._pool.fetchval(SQL["model_id"], *key)
        return self._models[key]
