"""What kind of answer a query asks for, as far as its form tells."""

from __future__ import annotations

import re

_LANGUAGE = re.compile(
    r"\b(bash|django|golang|java|javascript|kotlin|numpy|pandas|php|python3?|ruby|rust|sql|swift|typescript)\b", re.I
)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+\b|\b[A-Z][a-z]+'s\b")


def asks_for_code(query: str) -> bool:
    """It names a programming language, as searches for a function do: `python check if a file exists`."""
    return bool(_LANGUAGE.search(query))


def asks_about_somebody(query: str) -> bool:
    """It is a question with a proper name in it: `When did Ada move to Bern?`."""
    return query.rstrip().endswith("?") and bool(_NAME.search(query))
