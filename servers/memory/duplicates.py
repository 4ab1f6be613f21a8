"""Which memories say the same: alike by their words or by their meaning, gathered around the one that stays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

WORDY, MEANT = 0.6, 0.9  # from such likeness on two are nearly the same
TELLING = 200  # a term that stands in more memories than these tells none from another


@dataclass(frozen=True)
class Standing:
    """What decides which of several alike memories stays: the most useful, then important, then newest."""

    id: int
    hits: int
    importance: int
    trusted: bool

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        return self.trusted, self.hits, self.importance, self.id


Pairs = Mapping[tuple[int, int], float]


def alike_in_words(terms: Mapping[int, Sequence[int]]) -> dict[tuple[int, int], float]:
    """Pairs of memories that share most of their terms, with what part of both together that is."""
    postings: defaultdict[int, list[int]] = defaultdict(list)
    for memory in sorted(terms):
        for term in set(terms[memory]):
            postings[term].append(memory)
    shared = Counter(
        pair for memories in postings.values() if len(memories) <= TELLING for pair in combinations(memories, 2)
    )
    sizes = {memory: len(set(words)) for memory, words in terms.items()}
    likeness = {(a, b): common / (sizes[a] + sizes[b] - common) for (a, b), common in shared.items()}
    return {pair: value for pair, value in likeness.items() if value >= WORDY}


def gathered(pairs: Pairs, standings: Iterable[Standing]) -> list[tuple[int, list[int], float]]:
    """Groups of alike memories as (the one that stays, its duplicates, the least likeness of them to it).

    A duplicate is alike to the one that stays itself: what is alike only over others is left for another time.
    """
    groups: list[tuple[int, list[int], float]] = []
    taken: set[int] = set()
    both = {**pairs, **{(b, a): value for (a, b), value in pairs.items()}}
    neighbours: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for (a, b), value in both.items():
        neighbours[a][b] = value
    for one in sorted(standings, key=lambda standing: standing.rank, reverse=True):
        near = {other: value for other, value in neighbours[one.id].items() if other not in taken}
        if one.id not in taken and near:
            taken |= {one.id, *near}
            groups.append((one.id, sorted(near), min(near.values())))
    return groups
