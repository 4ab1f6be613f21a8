"""How well a memory answers a query: BM25 and cosine fused by score, and what is not an answer at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from servers.memory.queries import asks_about_somebody, asks_for_code

K1, B = 0.45, 0.4
NOMINAL_LENGTH = 40
CANDIDATES = 60
WEIGHT, NAME_WEIGHT, CODE_WEIGHT = 0.65, 0.4, 0.85
SWING = 0.2
SUPPORT = 0.1
TYPICAL_IMPACT = 1.2
RELEVANT_COSINE = 0.3
RELEVANT_COVERAGE = 0.4

Key = TypeVar("Key", bound=Hashable)


def impacts(words: Iterable[str]) -> dict[str, float]:
    """The weight of each term in one text, without its rarity, so that it can be stored and never changes."""
    counts = Counter(words)
    damping = K1 * (1 - B + B * counts.total() / NOMINAL_LENGTH)
    return {term: count * (K1 + 1) / (count + damping) for term, count in counts.items()}


def rarity(found_in: int, documents: int) -> float:
    """BM25's idf of a term that stands in `found_in` of so many documents; more than 0 even for one in all."""
    return math.log1p((max(documents, found_in) - found_in + 0.5) / (found_in + 0.5))


def fuse(
    bm25: Mapping[Key, float],
    cosine: Mapping[Key, float],
    weight: float,
    priors: Mapping[Key, float] | None = None,
) -> list[tuple[Key, float]]:
    """The union of both sides, best first, each with its fused score from about 0 to 1.

    Each side is measured by how far its candidates lie apart, for cosines lie close together. A key that a side lacks
    counts there like that side's worst one, so hand in both scores wherever both can be had.

    Args:
        bm25: BM25 scores of the best candidates; empty if no term was found.
        cosine: Cosines of the best candidates; empty if there is no embedder.
        weight: The share of the cosine, 0 to 1; see `weight`.
        priors: A factor for each key by `prior`; 1 where it is missing.
    """
    keys = list({**bm25, **cosine})
    words = _spread([bm25.get(key, 0.0) for key in keys])
    least = min(cosine.values(), default=0.0)
    meanings = _spread([max(0.0, cosine.get(key, least)) for key in keys])
    highest = (1 - weight) * max(words, default=0.0) + weight * max(meanings, default=0.0) or 1.0
    scores = {
        key: ((1 - weight) * word + weight * meaning) / highest * (priors or {}).get(key, 1.0)
        for key, word, meaning in zip(keys, words, meanings, strict=True)
    }
    return sorted(scores.items(), key=lambda pair: -pair[1])


def support(ranked: Sequence[tuple[Key, float]], origins: Mapping[Key, str]) -> list[tuple[Key, float]]:
    """Best first, each with a tenth more of the best other one's score that comes from the same work.

    Args:
        ranked: Best first.
        origins: What each comes from; nothing is known of a key that is missing.
    """
    if not any(origins.values()):
        return list(ranked)
    best: dict[str, list[tuple[Key, float]]] = {}
    for key, score in ranked:
        best.setdefault(origins.get(key, ""), []).append((key, score))

    def other(key: Key) -> float:
        others = best[origins[key]][:2] if origins.get(key) else []
        return next((score for one, score in others if one != key), 0.0)

    return sorted(((key, score + SUPPORT * other(key)) for key, score in ranked), key=lambda pair: -pair[1])


def _spread(scores: list[float]) -> list[float]:
    """The scores in units of their deviation, or all the same where there is none."""
    mean = sum(scores) / (len(scores) or 1)
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) or 1))
    return [score / deviation for score in scores] if deviation > 1e-9 else [1.0 for _ in scores]


@lru_cache(4_096)
def prior(importance: int, hits: int, misled: int = 0) -> float:
    """What is known of a memory apart from the query, as a factor: importance 1 to 5, uses that helped or misled."""
    return (
        1 + 0.05 * (min(max(importance, 1), 5) - 3) / 2 + 0.05 * min(1.0, math.log1p(hits) / math.log(32))
    ) * 0.85 ** min(misled, 4)


def weight(query: str, matched: float = 0.5) -> float:
    """The cosine's share for a query.

    It is high for a query that asks for code, whose words are the code's by accident, low for one about somebody,
    whose name says more than the vectors know, and the lower the better the words of the query were found.

    Args:
        matched: How well the best memory has the query's words, 0 to 1; see `matched`.
    """
    if asks_for_code(query):
        return CODE_WEIGHT
    return (NAME_WEIGHT if asks_about_somebody(query) else WEIGHT) + SWING * (1 - 2 * matched)


def matched(bm25: Iterable[float], rarities: Mapping[str, float]) -> float:
    """How near the best BM25 score comes to that of a memory with all terms of the query, 0 to 1.

    Args:
        rarities: Of all the query's terms, also of those that stand in no memory.
    """
    possible = TYPICAL_IMPACT * sum(rarities.values())
    return min(1.0, max(bm25, default=0.0) / possible) if possible else 0.0


def relevant(cosine: float | None, coverage: float) -> bool:
    """Whether the best memory answers at all.

    Args:
        cosine: The best cosine; None without an embedder.
        coverage: The share of the query's rarity that one memory holds; see `coverage`.
    """
    return coverage >= RELEVANT_COVERAGE or (cosine is not None and cosine >= RELEVANT_COSINE)


def coverage(rarities: Mapping[str, float], held: float) -> float:
    """The share, 0 to 1, of a query's terms that a memory holds, each counted by its rarity.

    Args:
        rarities: Of all the query's terms.
        held: The sum of those of the terms that the memory holds.
    """
    possible = sum(rarities.values())
    return min(1.0, held / possible) if possible else 0.0
