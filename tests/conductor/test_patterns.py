"""Patterns of paths and words, whoever wrote them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.merge.human_gates import triggers
from conductor.merge.patterns import first_match, first_word, is_odd
from conductor.merge.policy import Policy
from conductor.merge.snapshot import Change, Changes


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("auth.*", "src/Auth.PY", True),
        ("/auth.*", "src/auth.py", False),
        ("**/auth/", "a/b/auth/x.py", True),
        ("**/auth/", "auth/x.py", True),
        ("**/auth/", "author/x.py", False),
        ("src/**/x.py", "src/x.py", True),
        ("src/*", "src/a/b.py", False),
        ("a[b].py", "a[b].py", True),
        ("a[b].py", "ab.py", False),
        ("a\\[b", "a[b", True),
        ("", "a", False),
        ("a/*/*/*/*/*/z", "anything", True),
    ],
)
def test_a_pattern_is_read_as_in_codeowners(pattern: str, path: str, matches: bool) -> None:
    assert first_match([pattern], path) == (pattern if matches else None)


def test_the_first_of_many_patterns_is_told() -> None:
    patterns = [f"{n}.txt" for n in range(500)]
    assert first_match(patterns, "a/321.txt") == "321.txt"
    assert first_match([*patterns, "A.txt"], "a.txt", case=True) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("delete  \n\tfrom x", "delete from"), ("undelete from", None), ("rm -rf /", "rm -rf"), ("deletefrom", None)],
)
def test_a_phrase_may_have_any_white_space(text: str, found: str | None) -> None:
    assert first_word(["DELETE FROM", "rm -rf", " "], text) == found


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a*a*a*b", "a" * 120),
        ("**/a/**/a/**/a/**/b", "/".join("a" * 40)),
        ("**/**/**/**/x", "a/" * 39 + "a"),
    ],
)
def test_no_path_takes_for_ever(pattern: str, path: str) -> None:
    began = time.perf_counter()
    assert first_match([pattern], path) is None
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("path", ["a/" * 41, "a" * 121, "a/b" * 200])
def test_an_odd_path_is_left_to_a_person(path: str) -> None:
    assert is_odd(path)
    [trigger] = triggers(Changes(files=[Change(path=path, patch="@@\n+x = 1", additions=1)]), Policy())
    assert trigger.category == "unread"


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=60))
def test_no_pattern_is_too_odd(patterns: list[str], path: str) -> None:
    assert first_match(patterns, path) in (*patterns, None)
    assert first_word(patterns, path) is None or patterns
