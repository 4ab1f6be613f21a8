"""What an issue waits for is read from its text; code, quotes and comments say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.issues.dependencies import MOST, circle, depends_on, distinct, parts

HERE = "acme/tally"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("depends on #7", ["acme/tally#7"]),
        ("Depends On: #7", ["acme/tally#7"]),
        ("It depends upon #7.", ["acme/tally#7"]),
        ("BLOCKED BY #7", ["acme/tally#7"]),
        ("This is blocked by acme/other#12!", ["acme/other#12"]),
        ("depends on #1, #2 and #3", ["acme/tally#1", "acme/tally#2", "acme/tally#3"]),
        ("depends on #1 and acme/other#2, and #3", ["acme/tally#1", "acme/other#2", "acme/tally#3"]),
        ("- depends on #1\n- blocked by #2", ["acme/tally#1", "acme/tally#2"]),
        ("depends on #1. Depends on #1 and ACME/Tally#1", ["acme/tally#1"]),
        ("depends\non\n#4", ["acme/tally#4"]),
        ("Depends on #1 & #2", ["acme/tally#1", "acme/tally#2"]),
        ("`` ` `` depends on #1 `depends on #2` ``", ["acme/tally#1"]),
    ],
)
def test_dependencies_are_read(body: str, found: list[str]) -> None:
    assert depends_on(body, HERE) == found


@pytest.mark.parametrize(
    "body",
    [
        "",
        "See #7.",
        "It depends on the weather. #7",
        "independs on #7x",
        "depends on #0",
        "depends on #12345678901",
        "`depends on #7`",
        "``depends on `#7` ``",
        "```\ndepends on #7\n```",
        "~~~ text\ndepends on #7\n~~~",
        "```\ndepends on #7",
        "    depends on #7",
        "> depends on #7",
        "<!-- depends on #7 -->",
        "<!-- depends on #7",
        "depends on https://example.com/acme/tally/issues/7",
        "unblocked byte #7",
    ],
)
def test_what_only_looks_like_it_says_nothing(body: str) -> None:
    assert depends_on(body, HERE) == []


def test_text_behind_code_counts() -> None:
    assert depends_on("```\ncode\n```\ndepends on #7, says `me`", HERE) == ["acme/tally#7"]


def test_there_is_an_end_to_it() -> None:
    assert len(depends_on(" ".join(f"depends on #{n}" for n in range(1, 500)), HERE)) == MOST


@given(st.text(max_size=500))
def test_any_text_is_read(body: str) -> None:
    assert all(parts(key)[1] > 0 for key in depends_on(body, HERE))


@pytest.mark.parametrize("piece", ["depends on #1, ", "`", "```\n", "<!--", "blocked by ", "#1,#2 and "])
def test_a_long_hostile_text_is_read_at_once(piece: str) -> None:
    depends_on(piece * 20_000, HERE)


def test_runs_of_backticks_that_never_close_are_read_at_once() -> None:
    ladder = " ".join("`" * length for length in range(1, 1000))
    assert depends_on(f"{ladder} depends on #7", HERE) == ["acme/tally#7"]


def test_a_circle_is_named_from_the_issue_back_to_itself() -> None:
    assert circle("a#1", {"a#1": ["a#1"]}) == ["a#1", "a#1"]
    assert circle("a#1", {"a#1": ["a#2"], "a#2": ["a#1"]}) == ["a#1", "a#2", "a#1"]
    through = {"a#1": ["a#9", "b#2"], "b#2": ["c#3", "d#4"], "c#3": ["A#1"], "d#4": ["b#2"]}
    assert circle("a#1", through) == ["a#1", "b#2", "c#3", "a#1"]


def test_a_circle_among_others_is_not_the_issues_own() -> None:
    assert circle("a#1", {"a#1": ["b#2"], "b#2": ["c#3"], "c#3": ["b#2"]}) == []


def test_each_key_is_there_once_whatever_its_case() -> None:
    assert distinct(["A/b#1", "a/B#1", "a/b#2"]) == ["A/b#1", "a/b#2"]
