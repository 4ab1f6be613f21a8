"""The GraphQL queries, each a file of this package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "graphql"


@cache
def graphql(name: str) -> str:
    """The text of one query."""
    return (FOLDER / f"{name}.graphql").read_text(encoding="utf-8")
