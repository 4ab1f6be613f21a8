"""A turn on the wire: one JSON message, or the server-sent events the API streams it in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import FAULT_MARK, ToolUse, Turn
from rig.doubles.anthropic.usage import Usage

TEXT_CHUNK: Final = 24
JSON_CHUNK: Final = 32
NOT_JSON: Final = '{"path": "README.md", old: "'


@dataclass(frozen=True)
class Answer:
    """One assistant message with its names and its price."""

    request: MessagesRequest
    turn: Turn
    usage: Usage
    message_id: str
    broken_input: bool = False

    def message(self) -> dict[str, Any]:
        """The whole message, as `stream: false` gives it."""
        return self._envelope(self._content(), self.turn.stop_reason, self.usage.wire())

    def events(self) -> Iterator[bytes]:
        start = self._envelope([], None, self.usage.wire(output_tokens=1))
        yield event("message_start", message=start)
        for index, block in enumerate(self._content()):
            yield event("content_block_start", index=index, content_block=emptied(block))
            if index == 0:
                yield event("ping")
            for delta in self._deltas(block):
                yield event("content_block_delta", index=index, delta=delta)
            yield event("content_block_stop", index=index)
        delta = {"stop_reason": self.turn.stop_reason, "stop_sequence": None}
        usage = self.usage.wire()
        kept = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        yield event("message_delta", delta=delta, usage={key: usage[key] for key in kept})
        yield event("message_stop")

    def _content(self) -> list[dict[str, Any]]:
        text = [{"type": "text", "text": self.turn.text}] if self.turn.text else []
        return text + [self._tool_use(n, one) for n, one in enumerate(self.turn.tool_uses)]

    def _tool_use(self, position: int, one: ToolUse) -> dict[str, Any]:
        name = f"{FAULT_MARK if one.fault else 'toolu'}_{identifier(self.message_id, str(position))}"
        return {
            "type": "tool_use",
            "id": name,
            "name": one.name,
            "input": one.input,
            "caller": {"type": "direct"},
        }

    def _deltas(self, block: dict[str, Any]) -> Iterator[dict[str, str]]:
        if block["type"] == "text":
            for part in chunks(block["text"], TEXT_CHUNK):
                yield {"type": "text_delta", "text": part}
            return
        spelt = NOT_JSON if self.broken_input else json.dumps(block["input"])
        for part in ["", *chunks(spelt, JSON_CHUNK)]:
            yield {"type": "input_json_delta", "partial_json": part}

    def _envelope(self, content: list[dict[str, Any]], stop: str | None, usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.request.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }


def emptied(block: dict[str, Any]) -> dict[str, Any]:
    return {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def chunks(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def identifier(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
