"""How fast memories are found and written among many, beside PostgreSQL's own full text search."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import accumulate
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeVar

from bench.common import run as run_program
from bench.common import stderr
from bench.memory_sets import own
from bench.memory_stored import AUTHOR
from bench.memory_stored import SQL as PEERS
from servers.kit.database import Pool, load_queries
from servers.memory.drafts import Draft
from servers.memory.embedders.port import Embedder
from servers.memory.indexing import weights
from servers.memory.store import MemoryStore
from servers.memory.tokens import terms

SQL = load_queries(Path(__file__).with_name("memory_speed.sql"))
REPOSITORIES = 10
WORDS = 20_000
LENGTH = 26
BATCH = 2_000
DIMENSION = 384
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

    def direction(self) -> str:
        """A vector's text but for its last number."""
        return "[" + ",".join(f"{self._random.gauss(0, 1):.4f}" for _ in range(DIMENSION - 1))


async def fill(pool: Pool, count: int, model: str) -> list[str]:
    """Put `count` memories into the tables by hand, for the store would take an hour; the texts."""
    texts = Texts()
    model_id = await pool.fetchval(SQL["model"], model, DIMENSION)
    scopes = [await pool.fetchval(SQL["scope"], f"bench/speed-{n}") for n in range(REPOSITORIES)]
    made = [texts.text() for _ in range(count)]
    directions = [texts.direction() for _ in range(200)]
    async with pool.acquire() as connection:
        await connection.execute(SQL["unindex"])
        for start in range(0, count, BATCH):
            batch = made[start : start + BATCH]
            places = [scopes[n % REPOSITORIES] for n in range(len(batch))]
            ids = [row["id"] for row in await connection.fetch(SQL["memories"], batch, places, model_id)]
            said = [weights(text) for text in batch]
            postings = [(p, t, i, w) for p, i, found in zip(places, ids, said, strict=True) for t, w in found.items()]
            await connection.execute(SQL["postings"], *map(list, zip(*postings, strict=True)))
            vectors = [f"{directions[n % 200]},{n % 997 / 997:.4f}]" for n in ids]
            await connection.execute(SQL["vectors"], ids, places, vectors, model_id)
            await connection.execute(PEERS["fill"], ids, places, batch)
        await connection.execute(SQL["count"], timeout=600)
    return made


async def speed(pool: Pool, embedder: Embedder, count: int, asked: int) -> dict[str, Any]:
    """Milliseconds at the 95th percentile of searches in a repository, of PostgreSQL's own, and of writes."""
    await pool.execute("DROP TABLE IF EXISTS peer")
    await pool.execute(PEERS["create"])
    made = await fill(pool, count, embedder.model)
    await pool.execute("VACUUM ANALYZE", timeout=600)
    stderr.print(f"[dim]speed:[/dim] {count:,} memories are there")
    store, texts = MemoryStore(pool, embedder), Texts()
    chosen = random.Random(3)
    queries = [" ".join(chosen.sample(chosen.choice(made).split(), 6)) for _ in range(asked)]
    scope = await pool.fetchval(SQL["scope"], "bench/speed-0")
    ours, peer = await interleaved(
        queries,
        lambda query: store.search(query, "bench/speed-0"),
        lambda query: pool.fetch(PEERS["any_word"], " ".join(terms(query)), [0, scope], 10),
    )
    drafts = [Draft(content=texts.text(), author=AUTHOR, repo="bench/speed-0") for _ in range(asked)]
    written, _ = await interleaved(drafts, store.write, None)
    return {"memories": count, "search_ms": ours, "ts_rank_or_ms": peer, "write_ms": written}


async def interleaved(
    given: list[Given], ours: Callable[[Given], Awaitable[object]], peer: Callable[[Given], Awaitable[object]] | None
) -> tuple[float, float]:
    """The 95th percentiles in milliseconds, each question asked of both in turn."""
    took: dict[int, list[float]] = {0: [], 1: []}
    for one in given:
        for number, ask in enumerate((ours, peer)):
            if ask:
                started = time.perf_counter()
                await ask(one)
                took[number].append((time.perf_counter() - started) * 1000)
    first, second = (round(quantiles(each, n=20)[-1], 2) if each else 0.0 for each in took.values())
    return first, second


async def resident(url: str) -> float:
    """Megabytes of a process with the memory server's code, after it wrote and searched with its embedder."""
    said = await run_program(sys.executable, "-m", "bench.memory_process", url)
    return float(said)
