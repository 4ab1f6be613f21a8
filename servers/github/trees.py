"""Reading nested JSON in which any object may be null."""

from __future__ import annotations

from typing import Any, cast

Json = dict[str, Any]


def child(tree: Any, *names: str) -> Json:
    """The object below `names`, empty where anything on the way is missing."""
    for name in names:
        tree = cast(Json, tree).get(name) if isinstance(tree, dict) else None
    return cast(Json, tree) if isinstance(tree, dict) else {}


def children(tree: Any, *names: str) -> list[Json]:
    """The list of objects below `names`, empty where anything on the way is missing."""
    found = child(tree, *names[:-1]).get(names[-1])
    return [cast(Json, item) for item in cast(list[Any], found) if item] if isinstance(found, list) else []
