"""How well and how fast memories are found, by each method and in each set of questions."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench.common import Result, Target, at_least, at_most, durable, result
from bench.memory_quality import Scores, compare, rows
from bench.memory_sets import Corpus, cosqa, locomo_observations, locomo_sessions, own, release_notes
from bench.memory_speed import resident, speed
from servers.kit.database import migrate, open_pool
from servers.kit.errors import Unavailable
from servers.memory.embedders.choice import choose
from servers.memory.settings import MemorySettings
from servers.memory.store import MIGRATIONS

NAME = "memory"
SENTENCE = (
    "How well memories of engineering work are found by words and meaning, against full text search by any word"
)
MARGIN = 0.05
SPEEDUP = 8
QUICKLY = "services"
# What a set's fusion has to reach: measure and bound.
BOUNDS: dict[str, dict[str, float]] = {
    "own": {"recall_at_5": 0.75},
    "locomo_sessions": {"recall_at_5": 0.89, "mrr": 0.82},
    "locomo_observations": {"recall_at_5": 0.70, "ndcg_at_10": 0.65},
    "cosqa": {"ndcg_at_10": 0.60},
    "release_notes": {"recall_at_5": 0.72, "mrr": 0.74},
}
_files: dict[str, Callable[[], list[Corpus]]] = {}
_cache: list[Path] = []


def configure(arguments: Sequence[str]) -> None:
    """Take the files of public sets, which are not part of the repository."""
    parser = argparse.ArgumentParser(prog="python -m bench memory")
    parser.add_argument("--locomo", type=Path, help="locomo10.json")
    parser.add_argument("--cosqa", type=Path, help="cosqa-retrieval-test-500.json, beside its code_idx_map.txt")
    parser.add_argument("--commits", type=Path, help="a git repository with a changelog that names pull requests")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors from one run to the next")
    asked = parser.parse_args(arguments)
    if asked.locomo:
        _files["locomo_sessions"] = partial(locomo_sessions, asked.locomo)
        _files["locomo_observations"] = partial(locomo_observations, asked.locomo)
    if asked.cosqa:
        _files["cosqa"] = partial(cosqa, asked.cosqa)
    if asked.commits:
        _files["release_notes"] = partial(release_notes, asked.commits)
    _cache[:] = [asked.cache] if asked.cache else []


async def run(quick: bool) -> Result:
    """All sets, then speed among 100,000 memories (2,000 if quick), then the memory of a process."""
    sets: dict[str, Callable[[], list[Corpus]]] = {"own": partial(own, only=QUICKLY if quick else "*"), **_files}
    scores: dict[str, Scores] = {}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        url = await server.database("memory", conductor=False)
        pool = await stack.enter_async_context(open_pool(url))
        await migrate(pool, MIGRATIONS, name="memory")
        embedder = await stack.enter_async_context(choose(MemorySettings.load(database_url=url)))
        if embedder is None:
            raise Unavailable("There is no embedder to measure; `make setup` installs one.")
        for name, corpora in sets.items():
            scores[name] = await compare(name, corpora(), embedder, pool, next(iter(_cache), None))
        fast = await speed(pool, embedder, *((2_000, 40) if quick else (100_000, 300)))
        megabytes = await resident(url)
    return result(
        NAME,
        "% nDCG@10",
        ours=round(100 * scores["own"]["store"].ndcg_at_10, 1),
        peer=round(100 * scores["own"]["ts_rank_or"].ndcg_at_10, 1),
        peer_name="ts_rank OR",
        rows=[row for name in sets for row in rows(name, scores[name])] + [fast, {"mb": megabytes}],
        targets=[*_quality(scores), *_speed(fast, megabytes)],
        settings={**server.settings, "embedder": embedder.model},
    )


def _quality(scores: dict[str, Scores]) -> list[Target]:
    mine = scores["own"]
    targets = [
        at_least(f"own set: nDCG@10 above {side}", mine["store"].ndcg_at_10 - mine[side].ndcg_at_10, MARGIN)
        for side in ("bm25", "vectors")
    ]
    for name, found in scores.items():
        best = found.get("store", found["fusion"])
        targets += [at_least(f"{name}: {what}", getattr(best, what), bound) for what, bound in BOUNDS[name].items()]
        targets.append(at_most(f"{name}: empty answers", best.empty_answers, 0))
    return targets


def _speed(fast: dict[str, Any], megabytes: float) -> list[Target]:
    return [
        at_least("search p95: times as fast as ts_rank OR", fast["ts_rank_or_ms"] / fast["search_ms"], SPEEDUP),
        at_most("write p95 in ms, embedding included", fast["write_ms"], 15),
        at_most("MB of a process with the embedder", megabytes, 180),
    ]
