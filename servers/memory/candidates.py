"""What a question asks for, and what may answer it, wherever it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from servers.memory import ranking
from servers.memory.indexing import term_id
from servers.memory.tokens import terms

MOST_TERMS = 64


class Candidate(NamedTuple):
    """A memory that may answer.

    Attributes:
        cosine: None where there is no vector.
        held: The worth of the question's terms that it has.
        issue: The work it comes from, empty where nobody said.
    """

    id: int
    importance: int
    hits: int
    misled: int
    bm25: float
    cosine: float | None
    held: float
    issue: str


@dataclass(frozen=True)
class Asked:
    """The terms of a question, and how many memories there are.

    Attributes:
        frequencies: In how many memories its terms stand; the rarest of those that stand in any.
        rarities: Of all its terms by their names, also of those that stand in no memory.
        gains: What each of the terms in `frequencies` is worth.
    """

    documents: int
    frequencies: Mapping[int, int]
    rarities: Mapping[str, float]
    gains: Mapping[int, float]


def numbered(query: str) -> dict[int, str]:
    """The terms of a question by their numbers."""
    return {term_id(term): term for term in terms(query)}


def weighed(names: Mapping[int, str], documents: int, frequencies: Mapping[int, int]) -> Asked:
    """What the terms of a question are worth among so many memories.

    Args:
        frequencies: Of those that stand in a memory.
    """
    rarities = {name: ranking.rarity(frequencies.get(term, 1), documents) for term, name in names.items()}
    rarest = sorted(frequencies, key=lambda term: (frequencies[term], term))[:MOST_TERMS]
    kept = {term: frequencies[term] for term in rarest}
    return Asked(documents, kept, rarities, {term: rarities[names[term]] for term in rarest})
