"""Whose work an offer is."""

from __future__ import annotations

from pathlib import Path

from conductor.dispatch.demand import Wanted, alone, takers
from servers.kit.character import load_all

CATALOGUE = load_all(Path(__file__).parents[2] / "characters")


def test_a_judge_takes_what_is_for_it_alone_and_never_a_review() -> None:
    assert takers(Wanted("verify", "", only="judge-e"), CATALOGUE) == ["judge-e"]
    assert takers(Wanted("review", ""), CATALOGUE) == ["review-e"]


def test_a_judge_is_no_rival_of_a_reviewer() -> None:
    assert alone(CATALOGUE["review-e"], CATALOGUE)
    assert alone(CATALOGUE["judge-e"], CATALOGUE)
