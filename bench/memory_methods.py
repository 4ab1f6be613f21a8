"""Ways to find memories, in memory and without a store, so that they differ in nothing but the ranking."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.memory_sets import Corpus
from servers.memory import ranking
from servers.memory.chunks import chunks
from servers.memory.embedders.port import Embedder
from servers.memory.tokens import terms

METHODS = ("bm25", "vectors", "rrf", "fusion")
RRF = 60
Scores = Mapping[str, float]
Matrix = npt.NDArray[np.float32]


class Index:
    """A corpus with what its ranking needs: postings, and the vectors of memories' parts and of the questions."""

    def __init__(self, corpus: Corpus, parts: Sequence[tuple[str, int]], vectors: Matrix, asked: Matrix) -> None:
        self.corpus = corpus
        self._keys = list(corpus.memories)
        self._parts = [key for key, count in parts for _ in range(count)]
        self._vectors, self._asked = vectors, asked
        self._postings: dict[str, dict[str, float]] = defaultdict(dict)
        for key, text in corpus.memories.items():
            for term, impact in ranking.impacts(terms(text)).items():
                self._postings[term][key] = impact

    def bm25(self, query: str) -> dict[str, float]:
        """The score of each memory that has a term of the query."""
        scores: dict[str, float] = defaultdict(float)
        for term, gain in self._rarities(query).items():
            for key, impact in self._postings.get(term, {}).items():
                scores[key] += gain * impact
        return dict(scores)

    def _rarities(self, query: str) -> dict[str, float]:
        count = len(self._keys)
        return {term: ranking.rarity(len(self._postings.get(term, {})) or 1, count) for term in terms(query)}

    def cosine(self, number: int) -> dict[str, float]:
        """The best cosine of each memory's parts to the question with this number."""
        cosines: list[float] = (self._vectors @ self._asked[number]).tolist()
        best: dict[str, float] = {}
        for key, cosine in zip(self._parts, cosines, strict=True):
            best[key] = max(cosine, best.get(key, -1.0))
        return best

    @property
    def known(self) -> dict[str, list[float]]:
        """The vectors by the texts they are of."""
        parts = [part for text in self.corpus.memories.values() for part in chunks(text)]
        asked = [question.text for question in self.corpus.questions]
        return {
            text: vector.tolist()
            for texts, vectors in ((parts, self._vectors), (asked, self._asked))
            for text, vector in zip(texts, vectors, strict=True)
        }

    def find(self, method: str, number: int) -> list[str]:
        """The keys of the best 100, best first."""
        query = self.corpus.questions[number].text
        bm25, cosine = self.bm25(query), self.cosine(number)
        match method:
            case "bm25":
                return _best(bm25)
            case "vectors":
                return _best(cosine)
            case "rrf":
                return _best(_reciprocal(_best(bm25), _best(cosine)))
            case _:
                chosen = {*_best(bm25), *_best(cosine)}
                sides = [{key: side[key] for key in chosen if key in side} for side in (bm25, cosine)]
                share = ranking.weight(query, ranking.matched(sides[0].values(), self._rarities(query)))
                fused = ranking.fuse(sides[0], sides[1], share)
                return [key for key, _ in ranking.support(fused, self.corpus.origins)]


def _best(scores: Scores) -> list[str]:
    return sorted(scores, key=lambda key: -scores[key])[: ranking.CANDIDATES]


def _reciprocal(*ranked: Sequence[str]) -> dict[str, float]:
    scores: dict[str, float] = defaultdict(float)
    for keys in ranked:
        for place, key in enumerate(keys):
            scores[key] += 1 / (RRF + place + 1)
    return scores


async def index(corpus: Corpus, embedder: Embedder, cache: Path | None = None) -> Index:
    """The corpus with its vectors, which `cache` keeps from one run to the next."""
    split = {key: chunks(text) for key, text in corpus.memories.items()}
    vectors = await embedded([part for parts in split.values() for part in parts], embedder, cache)
    asked = await embedded([question.text for question in corpus.questions], embedder, cache)
    return Index(corpus, [(key, len(parts)) for key, parts in split.items()], vectors, asked)


async def embedded(texts: Sequence[str], embedder: Embedder, cache: Path | None) -> Matrix:
    """The texts' vectors as a matrix."""
    name = hashlib.sha256("\x00".join([embedder.model, *texts]).encode("utf-8", "replace")).hexdigest()
    kept = cache / f"{name}.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    found: Any = np.array(await embedder.embed(texts), dtype=np.float32)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, found)
    return found
