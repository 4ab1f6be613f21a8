"""What Codex says: how its turn ends, by its lines, and every answer of its model, by the file of its session."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agents.providers import ToolUse, Usage
from agents.providers.endpoint import NAME as SERVER

NAMESPACE = f"mcp__{SERVER}"
STATUS = re.compile(r"status:? (\d{3})\b")


@dataclass(frozen=True)
class Said:
    """One answer of the model, whole."""

    text: str
    uses: tuple[ToolUse, ...]
    usage: Usage


@dataclass(frozen=True)
class Began:
    """The session has this name."""

    session: str


@dataclass(frozen=True)
class Ended:
    """The turn is over.

    Attributes:
        failure: What went wrong, or nothing.
        status: The HTTP status that the failure names, else 0.
    """

    failure: str
    status: int


Event = Began | Ended


def read(line: bytes) -> Event | None:
    """What a line of standard output says, if that is any of our business."""
    said = _object(line)
    match said.get("type"):
        case "thread.started":
            return Began(str(said.get("thread_id", "")))
        case "turn.completed":
            return Ended("", 0)
        case "turn.failed":
            failure = str(_dict(said.get("error")).get("message") or "it failed")
            found = STATUS.search(failure)
            return Ended(failure[:2000], int(found[1]) if found else 0)
        case _:
            return None


class Rollout:
    """Reads a session's file as it grows.

    Args:
        offset: Where the answers begin that were not read yet.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset
        self._rest = b""
        self._texts: list[str] = []
        self._uses: list[ToolUse] = []

    def news(self) -> list[Said]:
        """The answers that came since the last look."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                more = file.read()
        except OSError:
            return []
        self._offset += len(more)
        *whole, self._rest = (self._rest + more).split(b"\n")
        return [said for line in whole if (said := self._line(_object(line)))]

    def _line(self, entry: dict[str, Any]) -> Said | None:
        payload = _dict(entry.get("payload"))
        match entry.get("type"), payload.get("type"):
            case "response_item", "message" if payload.get("role") == "assistant":
                self._texts.append(_text(payload))
            case "response_item", "function_call":
                self._uses.append(_use(payload))
            case "token_usage_record", _:
                said = Said("".join(self._texts), tuple(self._uses), _usage(_dict(payload.get("usage"))))
                self._texts, self._uses = [], []
                return said
            case _:
                pass
        return None


def _use(call: dict[str, Any]) -> ToolUse:
    name = str(call.get("name", ""))
    try:
        arguments = _dict(json.loads(str(call.get("arguments") or "{}")))
    except (ValueError, RecursionError):
        arguments = {}
    return ToolUse(str(call.get("call_id", "")), name, arguments)


def _text(message: dict[str, Any]) -> str:
    parts = message.get("content")
    texts = [_dict(part).get("text") for part in cast(list[Any], parts)] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _usage(said: dict[str, Any]) -> Usage:
    def number(name: str) -> int:
        value = said.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    read, written = number("cached_input_tokens"), number("cache_write_input_tokens")
    return Usage(max(number("input_tokens") - read - written, 0), number("output_tokens"), read, written)


def _object(line: bytes) -> dict[str, Any]:
    try:
        return _dict(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
