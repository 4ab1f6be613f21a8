"""How good a ranking is: recall, reciprocal rank, discounted gain, and how often it says nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

MEASURES = ("recall_at_5", "mrr", "ndcg_at_10", "empty_answers")


@dataclass(frozen=True)
class Score:
    """Averages over the questions that have an answer; each from 0 to 1."""

    recall_at_5: float
    mrr: float
    ndcg_at_10: float
    empty_answers: float
    questions: int

    @classmethod
    def of(cls, answers: Iterable[tuple[Sequence[str], Mapping[str, int]]]) -> Score:
        """The score of rankings, each with the grades of the memories that answer."""
        graded = [(found, grades) for found, grades in answers if grades]
        return cls(
            recall_at_5=_mean([recall(found, grades, 5) for found, grades in graded]),
            mrr=_mean([reciprocal_rank(found, grades) for found, grades in graded]),
            ndcg_at_10=_mean([ndcg(found, grades, 10) for found, grades in graded]),
            empty_answers=_mean([0.0 if found else 1.0 for found, _ in graded]),
            questions=len(graded),
        )


def recall(found: Sequence[str], grades: Mapping[str, int], limit: int) -> float:
    """The share of the answering memories among the first `limit`."""
    return sum(key in grades for key in found[:limit]) / len(grades)


def reciprocal_rank(found: Sequence[str], grades: Mapping[str, int]) -> float:
    """1 over the place of the first memory that answers; 0 if none does."""
    return next((1 / place for place, key in enumerate(found, 1) if key in grades), 0.0)


def ndcg(found: Sequence[str], grades: Mapping[str, int], limit: int) -> float:
    """The gain of the first `limit`, discounted by place, as a share of the best order's."""
    return _gain([grades.get(key, 0) for key in found[:limit]]) / _gain(sorted(grades.values(), reverse=True)[:limit])


def _gain(grades: Sequence[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def _mean(values: Sequence[float]) -> float:
    return round(fmean(values), 4) if values else 0.0
