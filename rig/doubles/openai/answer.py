"""A turn on the wire of the Responses API: the events it is streamed in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rig.doubles.anthropic.answer import identifier
from rig.doubles.anthropic.script import FAULT_MARK, ToolUse, Turn
from rig.doubles.anthropic.usage import Usage
from rig.doubles.openai.request import ResponsesRequest

NOT_JSON: Final = '{"path": "README.md", old: "'
REFUSAL: Final = "I'm sorry, but I cannot assist with that request."


@dataclass(frozen=True)
class Answer:
    """One response with its name and its price."""

    request: ResponsesRequest
    turn: Turn
    usage: Usage
    response_id: str
    broken_input: bool = False

    def events(self) -> Iterator[bytes]:
        yield event("response.created", response=self._envelope("in_progress"))
        for index, item in enumerate(self._items()):
            yield event("response.output_item.added", output_index=index, item={**item, "status": "in_progress"})
            yield event("response.output_item.done", output_index=index, item=item)
        if self.turn.refused:
            details = {"incomplete_details": {"reason": "content_filter"}}
            yield event("response.incomplete", response={**self._envelope("incomplete"), **details})
            return
        yield event("response.completed", response={**self._envelope("completed"), "output": list(self._items())})

    def _items(self) -> Iterator[dict[str, Any]]:
        text = self.turn.text or (REFUSAL if self.turn.refused else "")
        if text:
            content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}]
            name = f"msg_{identifier(self.response_id)}"
            yield {
                "type": "message", "id": name, "role": "assistant", "status": "completed", "content": content,
            }  # fmt: skip
        for number, one in enumerate(self.turn.tool_uses):
            yield self._call(number, one)

    def _call(self, number: int, one: ToolUse) -> dict[str, Any]:
        namespace, name = self.request.functions.get(one.name, (None, one.name))
        call = f"{FAULT_MARK if one.fault else 'call'}_{identifier(self.response_id, str(number))}"
        said = NOT_JSON if self.broken_input else json.dumps(one.input)
        spoken = {"namespace": namespace} if namespace else {}
        return {
            "type": "function_call", "id": f"fc_{call}", "call_id": call, "name": name, **spoken,
            "arguments": said, "status": "completed",
        }  # fmt: skip

    def _envelope(self, status: str) -> dict[str, Any]:
        used = self.usage
        prompt = used.input_tokens + used.cache_read_input_tokens + used.cache_creation_input_tokens
        usage = {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": used.cache_read_input_tokens},
            "output_tokens": used.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + used.output_tokens,
        }
        return {
            "id": self.response_id, "object": "response", "status": status, "model": self.request.model,
            "output": [], "usage": None if status == "in_progress" else usage,
        }  # fmt: skip


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
