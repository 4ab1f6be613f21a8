"""Patterns of paths, written as in CODEOWNERS: the last part alone matches anywhere, a leading slash is the root."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from codeowners import path_to_regex

MOST_STARS = 4
_CHUNK = 64
_ESCAPED = re.compile(r"\\.|\[", re.DOTALL)


def is_odd(path: str) -> bool:
    """Whether `path` is so long or deep that matching it could take for ever; none that people make is."""
    parts = path.split("/")
    return len(path) > 400 or len(parts) > 40 or any(len(part) > 120 for part in parts)


def first_match(patterns: Sequence[str], path: str, case: bool = False) -> str | None:
    """The first of `patterns` that matches `path`; with `case` only as it is written.

    A pattern with more than four wildcards matches every path. No pattern matches an odd path.
    """
    if is_odd(path):
        return None
    for chunk in _chunks(tuple(patterns), case):
        if chunk.any.search(path):
            return next(pattern for pattern, one in chunk.each if one.search(path))
    return None


class _Chunk:
    """Some patterns, and one that matches where any of them does: few paths match any."""

    def __init__(self, patterns: Sequence[str], case: bool) -> None:
        flags = re.DOTALL if case else re.DOTALL | re.IGNORECASE
        written = [(pattern, _regex(pattern)) for pattern in patterns]
        self.any = re.compile("|".join(f"(?:{text})" for _, text in written), flags)
        self.each = [(pattern, re.compile(text, flags)) for pattern, text in written]


@lru_cache(maxsize=256)
def _chunks(patterns: tuple[str, ...], case: bool) -> list[_Chunk]:
    named = [pattern for pattern in patterns if pattern]
    return [_Chunk(named[start : start + _CHUNK], case) for start in range(0, len(named), _CHUNK)]


def _regex(pattern: str) -> str:
    if len(re.findall(r"\*+", pattern)) > MOST_STARS:
        return ""
    literal = _ESCAPED.sub(lambda found: "\\[" if found[0] == "[" else found[0], pattern)
    return path_to_regex(literal).pattern  # GitHub knows no character classes


def first_word(keywords: Sequence[str], text: str) -> str | None:
    """The first of `keywords` in the lower-case `text` as a whole word, or phrase with any white space in it."""
    wanted = _words(tuple(keywords))
    found = next((one.search(text) for hint, one in wanted if hint in text and one.search(text)), None)
    return " ".join(found[0].split()) if found else None


@lru_cache(maxsize=256)
def _words(keywords: tuple[str, ...]) -> list[tuple[str, re.Pattern[str]]]:
    """Each with its first word, which is looked for faster than a pattern."""
    split = [keyword.lower().split() for keyword in keywords if keyword.strip()]
    return [(parts[0], re.compile(rf"(?<!\w){_phrase(parts)}(?!\w)")) for parts in split]


def _phrase(parts: Iterable[str]) -> str:
    return r"\s+".join(map(re.escape, parts))
