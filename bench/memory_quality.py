"""How well each way to find memories answers the questions of each set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.common import stderr
from bench.memory_methods import METHODS, index
from bench.memory_scores import Score
from bench.memory_sets import Corpus
from bench.memory_stored import FULL_TEXT, FullText, through_store
from servers.kit.database import Pool
from servers.memory.embedders.port import Embedder

Found = Sequence[str]
Scores = dict[str, Score]


async def compare(name: str, corpora: list[Corpus], embedder: Embedder, pool: Pool, cache: Path | None) -> Scores:
    """The score of each method over all questions of a set; the store answers too where the set is small."""
    answers: dict[str, list[Found]] = {}
    for number, corpus in enumerate(corpora):
        for method, found in (await _answers(corpus, embedder, pool, cache)).items():
            answers.setdefault(method, []).extend(found)
        if len(corpora) == 1 and len(corpus.memories) < 1_000:
            answers["store"] = list(await through_store(pool, corpus, embedder, f"bench/{name}-{number}"))
    grades = [question.answers for corpus in corpora for question in corpus.questions]
    scores = {method: Score.of(zip(found, grades, strict=True)) for method, found in answers.items()}
    for method, score in scores.items():
        said = f"R@5 {score.recall_at_5:.3f}  MRR {score.mrr:.3f}  nDCG@10 {score.ndcg_at_10:.3f}"
        stderr.print(f"[dim]{name}:[/dim] {method:<11} {said}  empty {score.empty_answers:.1%}")
    return scores


async def _answers(corpus: Corpus, embedder: Embedder, pool: Pool, cache: Path | None) -> dict[str, list[Found]]:
    numbers = range(len(corpus.questions))
    indexed = await index(corpus, embedder, cache)
    found: dict[str, list[Found]] = {method: [indexed.find(method, n) for n in numbers] for method in METHODS}
    full_text = FullText(pool, corpus)
    await full_text.fill()
    for method in FULL_TEXT:
        found[method] = [await full_text.find(method, n) for n in numbers]
    return found


def rows(name: str, scores: Scores) -> list[dict[str, Any]]:
    """A set's scores as rows of the result."""
    return [{"set": name, "method": method, **asdict(score)} for method, score in scores.items()]
