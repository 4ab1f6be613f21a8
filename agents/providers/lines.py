"""What a provider's program writes, a JSON object a line, read without trusting its shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast


class Growing:
    """Reads the lines of a file as it grows.

    Args:
        offset: Where those begin that were not read yet.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset
        self._rest = b""

    def news(self) -> list[dict[str, Any]]:
        """The objects of the lines that came since the last look."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                more = file.read()
        except OSError:
            return []
        self._offset += len(more)
        *whole, self._rest = (self._rest + more).split(b"\n")
        return [parsed(line) for line in whole]


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
