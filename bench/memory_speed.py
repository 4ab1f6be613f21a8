"""How fast memories are found and written among many, beside PostgreSQL's own full text search."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeVar

import numpy as np
from pgvector import HalfVector

from bench.common import run as run_program
from bench.common import stderr
from bench.memory_sets import own
from bench.memory_stored import AUTHOR
from bench.memory_stored import SQL as PEERS
from servers.kit.database import Connection, Pool, load_queries
from servers.memory.drafts import Draft
from servers.memory.embedders.port import Embedder
from servers.memory.indexing import weights
from servers.memory.scopes import GLOBAL
from servers.memory.store import MemoryStore
from servers.memory.tokens import terms

SQL = load_queries(Path(__file__).with_name("memory_speed.sql"))
REPOSITORIES = 10
WORDS = 20_000
LENGTH = 26
BATCH = 2_000
TURN = 10
WARM = 40
DIMENSION = 384
POSTING = ("scope_id", "term", "memory_id", "weight", "kind")
VECTOR = ("memory_id", "model_id", "part", "scope_id", "kind", "embedding")
Given = TypeVar("Given")


class Texts:
    """Texts of the evaluation's words, a few of them common, and of rare ones that are made of two."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        [corpus] = own()
        known = sorted({word for text in corpus.memories.values() for word in re.findall(r"[a-z]{3,}", text)})
        self._random.shuffle(known)
        pairs = {"".join(self._random.sample(known, 2)) for _ in range(WORDS)}
        self._words = [*known, *sorted(pairs)][:WORDS]
        self._shares = list(accumulate(1 / (n + 10) for n in range(len(self._words))))

    def text(self, length: int = LENGTH) -> str:
        return " ".join(self._random.choices(self._words, cum_weights=self._shares, k=length))


class Meanings:
    """Vectors of length 1 around 200 subjects."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)
        self._subjects = self._random.normal(size=(200, DIMENSION))

    def some(self, count: int) -> list[HalfVector]:
        near = self._subjects[self._random.integers(0, len(self._subjects), count)]
        found = near + 1.2 * self._random.normal(size=(count, DIMENSION))
        return [HalfVector(vector) for vector in found / np.linalg.norm(found, axis=1, keepdims=True)]


async def fill(pool: Pool, count: int, model: str) -> list[str]:
    """Put `count` memories into the tables by hand, for the store would take an hour; the texts."""
    texts, meanings = Texts(), Meanings()
    model_id = await pool.fetchval(SQL["model"], model, DIMENSION)
    repos = [await pool.fetchval(SQL["scope"], f"bench/speed-{n}") for n in range(REPOSITORIES)]
    scopes = [GLOBAL, *repos]
    made = [texts.text() for _ in range(count)]
    async with pool.acquire() as connection:
        indexes = await connection.fetch(SQL["unindex"])
        for index in indexes:
            await connection.execute(index["away"])
        for start in range(0, count, BATCH):
            batch = made[start : start + BATCH]
            await _put(connection, batch, scopes, model_id, meanings)
        await connection.execute(SQL["count"], timeout=600)
        await connection.execute("SET maintenance_work_mem = '512MB'")
        for index in indexes:
            await connection.execute(index["again"], timeout=600)
    return made


async def _put(
    connection: Connection, batch: Sequence[str], scopes: Sequence[int], model: int, meanings: Meanings
) -> None:
    places = [scopes[n % len(scopes)] for n in range(len(batch))]
    ids = [row["id"] for row in await connection.fetch(SQL["memories"], batch, places, model)]
    said = zip(places, ids, map(weights, batch), strict=True)
    postings = [(place, term, id, weight, 1) for place, id, found in said for term, weight in found.items()]
    meant = zip(ids, places, meanings.some(len(batch)), strict=True)
    vectors = [(id, model, 0, place, 1, vector) for id, place, vector in meant]
    await connection.copy_records_to_table("postings", schema_name="memory", columns=POSTING, records=postings)
    await connection.copy_records_to_table("vectors", schema_name="memory", columns=VECTOR, records=vectors)
    await connection.execute(PEERS["fill"], ids, places, batch)


async def speed(pool: Pool, embedder: Embedder, count: int, asked: int) -> dict[str, Any]:
    """Milliseconds at the 95th percentile of searches in a repository, of PostgreSQL's own, and of writes.

    A repository's memories, and those that hold everywhere, are an eleventh of all each.
    """
    await pool.execute("DROP TABLE IF EXISTS peer")
    await pool.execute(PEERS["create"])
    made = await fill(pool, count, embedder.model)
    await pool.execute("VACUUM ANALYZE", timeout=600)
    stderr.print(f"[dim]speed:[/dim] {count:,} memories are there")
    store, texts = MemoryStore(pool, embedder), Texts()
    chosen = random.Random(3)
    queries = [" ".join(chosen.sample(chosen.choice(made).split(), 6)) for _ in range(asked)]
    scope = await pool.fetchval(SQL["scope"], "bench/speed-0")
    by_words = MemoryStore(pool)
    searching: dict[str, Callable[[str], Awaitable[object]]] = {
        "search_ms": lambda query: store.search(query, "bench/speed-0"),
        "search_by_words_ms": lambda query: by_words.search(query, "bench/speed-0"),
        "ts_rank_or_ms": lambda query: pool.fetch(PEERS["any_word"], " ".join(terms(query)), [GLOBAL, scope], 10),
    }
    everywhere: dict[str, Callable[[str], Awaitable[object]]] = {
        "search_everywhere_ms": store.search,
        "ts_rank_or_everywhere_ms": lambda query: pool.fetch(PEERS["any_word_anywhere"], " ".join(terms(query)), 10),
    }
    for warm in (store, by_words):
        await settle(warm, queries)
    drafts = [Draft(content=texts.text(), author=AUTHOR, repo="bench/speed-0") for _ in range(asked)]
    return {
        "memories": count,
        **await interleaved(queries, searching),
        **await interleaved(queries[: asked // 3], everywhere),
        **await interleaved(drafts, {"write_ms": store.write}),
    }


async def settle(store: MemoryStore, queries: Sequence[str]) -> None:
    """Have a store hold what it will when it was asked for a while."""
    for query in queries[:WARM]:
        await store.search(query, "bench/speed-0")
        await store.searching.replicas.settled()


async def interleaved(
    given: Sequence[Given], contenders: Mapping[str, Callable[[Given], Awaitable[object]]]
) -> dict[str, float]:
    """The 95th percentiles in milliseconds: each is given all in turns of ten, so that a busy machine hits all alike.

    In turns, for what is asked once in a while finds nothing in the processor's caches, and measures them.
    """
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for start in range(0, len(given), TURN):
        for name, ask in contenders.items():
            for one in given[start : start + TURN]:
                started = time.perf_counter()
                await ask(one)
                took[name].append((time.perf_counter() - started) * 1000)
    return {name: round(quantiles(each, n=20)[-1], 2) for name, each in took.items()}


async def resident(url: str) -> float:
    """Megabytes of a process with the memory server's code, after it wrote and searched with its embedder."""
    said = await run_program(sys.executable, "-m", "bench.memory_process", url)
    return float(said)
