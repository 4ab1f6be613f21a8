from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.memory.ranking import K1, coverage, fuse, impacts, matched, prior, rarity, relevant, support, weight

SCORES = st.dictionaries(st.integers(0, 20), st.floats(0, 50), max_size=12)
COSINES = st.dictionaries(st.integers(0, 20), st.floats(-1, 1), max_size=12)


def order(found: list[tuple[str, float]]) -> list[str]:
    return [key for key, _ in found]


def test_a_terms_impact_grows_with_its_count_and_shrinks_with_the_length() -> None:
    short, long = impacts(["lock"] * 2), impacts(["lock"] * 2 + [str(n) for n in range(100)])
    assert impacts(["lock"])["lock"] < short["lock"] < 1.9
    assert long["lock"] < short["lock"]


def test_an_impact_is_bm25s_with_the_nominal_length() -> None:
    assert impacts(["a"] * 3 + ["b"] * 37)["a"] == pytest.approx(3 * (K1 + 1) / (3 + K1))


def test_a_rare_term_counts_more_and_a_common_one_never_against() -> None:
    assert rarity(1, 1_000) > rarity(500, 1_000) > rarity(1_000, 1_000) > 0
    assert rarity(5, 0) > 0


def test_both_sides_count() -> None:
    found = fuse({"words": 9.0, "both": 8.0}, {"meaning": 0.9, "both": 0.8, "words": 0.1}, 0.5)
    assert order(found)[0] == "both"


def test_a_weight_of_one_or_none_leaves_one_side() -> None:
    bm25, cosine = {"a": 3.0, "b": 2.0, "c": 1.0}, {"c": 0.9, "b": 0.5, "a": 0.1}
    assert order(fuse(bm25, cosine, 0.0)) == ["a", "b", "c"]
    assert order(fuse(bm25, cosine, 1.0)) == ["c", "b", "a"]


def test_without_an_embedder_the_words_decide_and_without_words_the_meaning() -> None:
    assert order(fuse({"a": 1.0, "b": 2.0}, {}, 0.65)) == ["b", "a"]
    assert order(fuse({}, {"a": 0.1, "b": 0.2}, 0.65)) == ["b", "a"]
    assert fuse({}, {}, 0.65) == []


def test_what_lacks_a_vector_counts_as_the_farthest() -> None:
    found = dict(fuse({"new": 1.0, "old": 1.0}, {"old": 0.3, "far": 0.1}, 0.5))
    assert found["old"] > found["new"] > found["far"]


@given(SCORES, COSINES, st.floats(0, 1))
def test_every_candidate_comes_back_once_with_a_score_up_to_one(
    bm25: dict[int, float], cosine: dict[int, float], share: float
) -> None:
    found = fuse(bm25, cosine, share)
    assert sorted(key for key, _ in found) == sorted(bm25.keys() | cosine.keys())
    assert all(0 <= score <= 1 + 1e-6 for _, score in found)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_what_comes_from_the_same_work_supports_each_other() -> None:
    ranked = [("a", 1.0), ("b", 0.88), ("c", 0.85), ("d", 0.5)]
    origins = {"a": "ada/tally#1", "c": "ada/tally#2", "d": "ada/tally#2", "b": ""}
    found = support(ranked, origins)
    assert order(found) == ["a", "c", "b", "d"]
    assert [score for _, score in found] == pytest.approx([1.0, 0.9, 0.88, 0.585])
    assert support(ranked, {}) == ranked


@given(st.integers(-3, 9), st.integers(0, 10_000))
def test_importance_and_uses_move_a_score_by_a_tenth_at_most(importance: int, hits: int) -> None:
    assert 0.95 <= prior(importance, hits) <= 1.1


def test_what_misled_sinks_and_what_helped_rises() -> None:
    assert prior(3, 0, misled=2) < prior(3, 0, misled=1) < prior(3, 0) == 1 < prior(3, 5) < prior(3, 30)
    assert prior(5, 0, misled=100) > 0.4


def test_a_prior_decides_between_equals_only() -> None:
    equal = fuse({"a": 2.0, "b": 2.0}, {"a": 0.5, "b": 0.5}, 0.5, {"b": prior(5, 0)})
    better = fuse({"a": 4.0, "b": 1.0}, {"a": 0.9, "b": 0.2}, 0.5, {"b": prior(5, 0)})
    assert (order(equal)[0], order(better)[0]) == ("b", "a")


def test_a_search_for_code_goes_by_meaning_and_a_question_about_somebody_by_words() -> None:
    code, plain, name = (
        weight(query)
        for query in ("python check if file exists", "stale cache after deploy", "When did Ada leave Bern?")
    )
    assert code > plain > name


def test_the_better_the_words_are_found_the_less_the_meaning_counts() -> None:
    shares = [weight("stale cache", found) for found in (0.0, 0.5, 1.0)]
    assert shares == sorted(shares, reverse=True)
    assert all(0 < share < 1 for share in shares)


def test_how_well_words_are_found_is_a_share() -> None:
    assert matched([], {}) == matched([3.0], {}) == matched([], {"a": 2.0}) == 0
    assert matched([1.2, 0.3], {"a": 1.0, "b": 1.0}) == pytest.approx(0.5)
    assert matched([100.0], {"a": 1.0}) == 1


def test_nothing_is_relevant_that_is_neither_near_nor_says_the_words() -> None:
    assert not relevant(0.2, 0.2)
    assert not relevant(None, 0.2)
    assert relevant(0.4, 0.0)
    assert relevant(None, 0.8)


def test_coverage_is_the_share_of_the_querys_rarity() -> None:
    asked = {"rare": 3.0, "common": 1.0}
    assert coverage(asked, 3.0) == 0.75
    assert coverage(asked, 4.0000001) == 1
    assert coverage({}, 0.0) == 0
