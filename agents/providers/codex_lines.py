"""What Codex says: how its turn ends, by its lines, and every answer of its model, by the file of its session."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agents.providers import ToolUse, Usage
from agents.providers.endpoint import NAME as SERVER
from agents.providers.lines import Growing, as_object, counted, parsed

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
    said = parsed(line)
    match said.get("type"):
        case "thread.started":
            return Began(str(said.get("thread_id", "")))
        case "turn.completed":
            return Ended("", 0)
        case "turn.failed":
            failure = str(as_object(said.get("error")).get("message") or "it failed")
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
        self._file = Growing(path, offset)
        self._texts: list[str] = []
        self._uses: list[ToolUse] = []

    def news(self) -> list[Said]:
        """The answers that came since the last look."""
        return [said for entry in self._file.news() if (said := self._line(entry))]

    def _line(self, entry: dict[str, Any]) -> Said | None:
        payload = as_object(entry.get("payload"))
        match entry.get("type"), payload.get("type"):
            case "response_item", "message" if payload.get("role") == "assistant":
                self._texts.append(_text(payload))
            case "response_item", "function_call":
                self._uses.append(_use(payload))
            case "token_usage_record", _:
                said = Said("".join(self._texts), tuple(self._uses), _usage(as_object(payload.get("usage"))))
                self._texts, self._uses = [], []
                return said
            case _:
                pass
        return None


def _use(call: dict[str, Any]) -> ToolUse:
    name = str(call.get("name", ""))
    try:
        arguments = as_object(json.loads(str(call.get("arguments") or "{}")))
    except (ValueError, RecursionError):
        arguments = {}
    return ToolUse(str(call.get("call_id", "")), name, arguments)


def _text(message: dict[str, Any]) -> str:
    parts = message.get("content")
    texts = [as_object(part).get("text") for part in cast(list[Any], parts)] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _usage(said: dict[str, Any]) -> Usage:
    read, written = counted(said, "cached_input_tokens"), counted(said, "cache_write_input_tokens")
    return Usage(
        max(counted(said, "input_tokens") - read - written, 0), counted(said, "output_tokens"), read, written
    )
