"""What Claude Code's stream of JSON lines says, as answers of its model and an end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from agents.providers import ToolUse, Usage
from agents.providers.endpoint import named
from agents.providers.lines import as_object, counted, parsed


@dataclass(frozen=True)
class Said:
    """One answer of the model, whole."""

    text: str
    uses: tuple[ToolUse, ...]
    usage: Usage
    model: str


@dataclass(frozen=True)
class Asking:
    """The program makes a call of its model."""


@dataclass(frozen=True)
class Limited:
    """The plan's limit is reached.

    Attributes:
        until: When it ends, in seconds since 1970, as the program was told.
    """

    until: Any


@dataclass(frozen=True)
class Ended:
    """The program's last line.

    Attributes:
        why: Its own word for how it ended, such as max_turns.
        text: What it said last, or what went wrong.
        status: The HTTP status of its model's refusal, 0 if there was none.
        usd: What the process spent, by its own account.
    """

    why: str
    is_error: bool
    text: str
    status: int
    usd: float
    stop_reason: str = ""


Event = Said | Asking | Limited | Ended


@dataclass
class _Growing:
    """An answer that is still being said."""

    model: str
    usage: dict[str, Any]
    texts: dict[int, str] = field(default_factory=dict[int, str])
    tools: dict[int, tuple[str, str, str]] = field(default_factory=dict[int, tuple[str, str, str]])
    stop_reason: str = ""

    def start(self, index: int, block: dict[str, Any]) -> None:
        if block.get("type") == "tool_use":
            self.tools[index] = (str(block.get("id")), named(str(block.get("name"))), "")

    def add(self, index: int, delta: dict[str, Any]) -> None:
        if delta.get("type") == "text_delta":
            self.texts[index] = self.texts.get(index, "") + str(delta.get("text", ""))
        elif delta.get("type") == "input_json_delta" and index in self.tools:
            number, name, said = self.tools[index]
            self.tools[index] = (number, name, said + str(delta.get("partial_json", "")))

    def whole(self) -> Said:
        uses = tuple(ToolUse(number, name, parsed(said)) for number, name, said in self.tools.values())
        return Said("".join(self.texts.values()), uses, _usage(self.usage), self.model)


class ClaudeLines:
    """Reads one process; what is no line of this stream, or no sense, is left alone.

    Attributes:
        stop_reason: Why the last answer ended.
    """

    def __init__(self) -> None:
        self.stop_reason = ""
        self._growing: _Growing | None = None

    def read(self, line: bytes) -> Event | None:
        """What a line says, if that is any of our business."""
        said = parsed(line)
        match said.get("type"):
            case "stream_event" if said.get("parent_tool_use_id") is None:
                return self._stream(as_object(said.get("event")))
            case "rate_limit_event":
                info = as_object(said.get("rate_limit_info"))
                return Limited(info.get("resetsAt")) if info.get("status") == "rejected" else None
            case "result":
                return self._end(said)
            case _:
                return None

    def rest(self) -> Said | None:
        """An answer that was cut off; it is paid for all the same."""
        growing, self._growing = self._growing, None
        return growing.whole() if growing else None

    def _stream(self, event: dict[str, Any]) -> Event | None:
        growing, index = self._growing, event.get("index")
        match event.get("type"):
            case "message_start":
                message = as_object(event.get("message"))
                self._growing = _Growing(str(message.get("model", "")), as_object(message.get("usage")))
                return Asking()
            case "content_block_start" if growing and isinstance(index, int):
                growing.start(index, as_object(event.get("content_block")))
            case "content_block_delta" if growing and isinstance(index, int):
                growing.add(index, as_object(event.get("delta")))
            case "message_delta" if growing:
                growing.usage |= {k: v for k, v in as_object(event.get("usage")).items() if v is not None}
                self.stop_reason = str(as_object(event.get("delta")).get("stop_reason") or "")
                return self.rest()
            case _:
                pass
        return None

    def _end(self, said: dict[str, Any]) -> Ended:
        errors = cast(list[Any], said.get("errors")) if isinstance(said.get("errors"), list) else []
        text = str(said.get("result") or "; ".join(map(str, errors)))
        why = str(said.get("terminal_reason") or said.get("subtype") or "")
        status, usd = said.get("api_error_status"), said.get("total_cost_usd")
        return Ended(
            why,
            bool(said.get("is_error")),
            text[:2000],
            status if isinstance(status, int) else 0,
            float(usd) if isinstance(usd, int | float) else 0.0,
            str(said.get("stop_reason") or ""),
        )


def _usage(said: dict[str, Any]) -> Usage:
    return Usage(
        counted(said, "input_tokens"),
        counted(said, "output_tokens"),
        counted(said, "cache_read_input_tokens"),
        counted(said, "cache_creation_input_tokens"),
    )
