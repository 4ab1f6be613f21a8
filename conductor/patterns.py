"""Patterns of paths, written as in CODEOWNERS: the last part alone matches anywhere, a leading slash is the root."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from codeowners import path_to_regex


@lru_cache(maxsize=4096)
def _compiled(pattern: str, case: bool) -> re.Pattern[str]:
    literal = pattern.replace("[", "\\[")  # GitHub knows no character classes
    return re.compile(path_to_regex(literal).pattern, re.DOTALL if case else re.DOTALL | re.IGNORECASE)


def first_match(patterns: Iterable[str], path: str, case: bool = False) -> str | None:
    """The first of `patterns` that matches `path`; with `case` only as it is written."""
    return next((pattern for pattern in patterns if pattern and _compiled(pattern, case).search(path)), None)


def words(keywords: Iterable[str]) -> re.Pattern[str] | None:
    """Matches any of `keywords` as whole words, any white space between the words of a phrase; None for none."""
    phrases = [r"\s+".join(map(re.escape, keyword.split())) for keyword in keywords if keyword.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE) if phrases else None
