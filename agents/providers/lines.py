"""What a provider's program writes, a JSON object a line, read without trusting its shape."""

from __future__ import annotations

import json
from typing import Any, cast


def parsed(line: bytes | str) -> dict[str, Any]:
    """The object of a line; an empty one where there is none."""
    try:
        return as_object(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def as_object(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def counted(said: dict[str, Any], name: str) -> int:
    """A number of tokens; 0 for what is none."""
    value = said.get(name)
    return value if isinstance(value, int) and value > 0 else 0
