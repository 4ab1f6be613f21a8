"""Asks PostgreSQL: its own full text search, and the memory store as agents meet it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.memory_sets import Corpus
from servers.kit.database import Pool, load_queries
from servers.memory.drafts import Author, Draft
from servers.memory.embedders.port import Embedder
from servers.memory.store import MemoryStore

SQL = load_queries(Path(__file__).with_name("memory_peers.sql"))
FULL_TEXT = {"ts_and": "all_words", "ts_rank_or": "any_word"}
LIMIT = 20
ALONE = 0
AUTHOR = Author("bench", "person")


class FullText:
    """A corpus in a table with a GIN index."""

    def __init__(self, pool: Pool, corpus: Corpus) -> None:
        self._pool = pool
        self._corpus = corpus
        self._keys = list(corpus.memories)

    async def fill(self) -> None:
        """Make the table anew."""
        await self._pool.execute("DROP TABLE IF EXISTS peer")
        await self._pool.execute(SQL["create"])
        numbers = list(range(len(self._keys)))
        texts = [text.replace("\x00", " ") for text in self._corpus.memories.values()]
        await self._pool.execute(SQL["fill"], numbers, [ALONE for _ in numbers], texts)

    async def find(self, method: str, number: int) -> list[str]:
        """The keys of the best, best first."""
        query = self._corpus.questions[number].text.replace("\x00", " ")
        rows = await self._pool.fetch(SQL[FULL_TEXT[method]], query, [ALONE], LIMIT)
        return [self._keys[row["id"]] for row in rows]


async def through_store(pool: Pool, corpus: Corpus, embedder: Embedder, repo: str) -> list[Sequence[str]]:
    """What the store answers to each question, as keys, with the corpus as the memories of a repository."""
    store = MemoryStore(pool, embedder)
    keys: dict[int, str] = {}
    for key, text in corpus.memories.items():
        written = await store.write(Draft(content=text, author=AUTHOR, repo=repo))
        keys[written.id] = key
    answers: list[Sequence[str]] = []
    for question in corpus.questions:
        ranking = await store.search(question.text, repo, limit=LIMIT)
        answers.append([keys[one.id] for one in ranking.found])
    return answers
