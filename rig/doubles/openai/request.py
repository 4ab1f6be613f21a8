"""A Responses API request, and the same conversation in the words that scripts know."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from rig.doubles.anthropic.request import Message, MessagesRequest, Tool, Wire
from rig.doubles.openai.errors import BadRequest

LONGEST = 16_000
FAILED = "Error: "  # the API has no other way to say so
TOOK = re.compile(r"Wall time: [\d.]+ seconds\nOutput:\n?")


class Part(Wire):
    """A piece of a message, or of what a function gave."""

    type: str = ""
    text: str = ""


Parts = TypeAdapter(list[Part])


class Item(Wire):
    """One thing that was said or done."""

    type: str = "message"
    role: str = ""
    content: str | list[Part] | None = None
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    output: Any = None


class Offered(Wire):
    """A tool, or several in one namespace."""

    type: str
    name: str = ""
    description: str = ""
    parameters: dict[str, Any] | None = None
    tools: list[Offered] = Field(default_factory=list["Offered"])


class ResponsesRequest(Wire):
    """`POST /v1/responses`."""

    model: Annotated[str, Field(min_length=1)]
    input: Annotated[list[Item], Field(min_length=1)]
    instructions: str = ""
    tools: list[Offered] = Field(default_factory=list["Offered"])
    stream: bool = False
    max_output_tokens: int | None = None

    @property
    def functions(self) -> dict[str, tuple[str | None, str]]:
        """Namespace and name of each function, by the name under which scripts know it."""
        found: dict[str, tuple[str | None, str]] = {}
        for tool in self.tools:
            if tool.type == "namespace":
                found |= {f"{tool.name}__{one.name}": (tool.name, one.name) for one in tool.tools}
            elif tool.type == "function":
                found[tool.name] = (None, tool.name)
        return found

    def as_messages(self) -> MessagesRequest:
        """The conversation as a request of the Messages API.

        Raises:
            BadRequest: A call without its output, or an output without its call.
        """
        _refuse_unpaired(self.input)
        messages = [message for item in self.input if (message := _message(item))]
        system = "\n\n".join([self.instructions, *(_text(item) for item in self.input if item.role == "developer")])
        if not messages:
            raise BadRequest("Missing required parameter: 'input'.")
        return MessagesRequest(
            model=self.model,
            messages=messages,
            system=system,
            tools=[Tool(name=name) for name in self.functions],
            cache_control={"type": "ephemeral"},
            max_tokens=self.max_output_tokens or LONGEST,
            stream=self.stream,
        )


def _message(item: Item) -> Message | None:
    """An item as a message; consecutive ones of a role are combined where they are read."""
    match item.type:
        case "message" if item.role in ("user", "assistant") and _text(item):
            return Message.model_validate({"role": item.role, "content": [{"type": "text", "text": _text(item)}]})
        case "function_call":
            name = f"{item.namespace}__{item.name}" if item.namespace else item.name
            use = {"type": "tool_use", "id": item.call_id, "name": name, "input": json.loads(item.arguments or "{}")}
            return Message.model_validate({"role": "assistant", "content": [use]})
        case "function_call_output":
            said = said_by_tool(item.output)
            result = {"type": "tool_result", "tool_use_id": item.call_id, "is_error": said.startswith(FAILED)}
            said = said.removeprefix(FAILED)
            return Message.model_validate({"role": "user", "content": [{**result, "content": said}]})
        case _:
            return None


def said_by_tool(output: Any) -> str:
    """The words of a function's output, without what the program puts before them."""
    if isinstance(output, str):
        return TOOK.sub("", output)
    texts = [part.text for part in Parts.validate_python(output or [])]
    return "\n".join(text for text in texts if not TOOK.fullmatch(text))


def _text(item: Item) -> str:
    if isinstance(item.content, str):
        return item.content
    return "\n".join(part.text for part in item.content or [] if part.text)


def _refuse_unpaired(items: list[Item]) -> None:
    called = {item.call_id for item in items if item.type == "function_call"}
    answered = {item.call_id for item in items if item.type == "function_call_output"}
    for call in sorted(called - answered):
        raise BadRequest(f"No tool output found for function call {call}.")
    for call in sorted(answered - called):
        raise BadRequest(f"No tool call found for function call output with call_id {call}.")
