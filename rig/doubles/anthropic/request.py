"""A Messages API request as the double and its scripts see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FENCED = re.compile(r'<untrusted-([0-9a-f]{16}) source="[^"]*">\n(.*)\n</untrusted-\1>', re.DOTALL)


class Wire(BaseModel):
    """Fields the double does not know are kept, because newer clients send more."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Block(Wire):
    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    tool_use_id: str = ""
    content: Any = None
    is_error: bool | None = None
    cache_control: Mapping[str, Any] | None = None


class Message(Wire):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    @property
    def blocks(self) -> list[Block]:
        if isinstance(self.content, str):
            return [Block(type="text", text=self.content)]
        return self.content


class Tool(Wire):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str = ""
    input_schema: Mapping[str, Any] | None = None
    type: str | None = None
    cache_control: Mapping[str, Any] | None = None


class Prompt(Wire):
    """What is counted: everything of a request but how to answer it."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    system: str | list[Block] = ""
    tools: list[Tool] = []
    cache_control: Mapping[str, Any] | None = None

    @cached_property
    def turns(self) -> list[Message]:
        """The conversation with consecutive messages of one role combined, as the API combines them."""
        turns: list[Message] = []
        for message in self.messages:
            if message.role == "system":
                continue
            if turns and turns[-1].role == message.role:
                blocks = turns[-1].blocks + message.blocks
                turns[-1] = Message(role=message.role, content=blocks)
            else:
                turns.append(Message(role=message.role, content=message.blocks))
        return turns

    @property
    def system_blocks(self) -> list[Block]:
        if isinstance(self.system, str):
            return [Block(type="text", text=self.system)] if self.system else []
        return self.system

    @property
    def opening(self) -> str:
        """The words of the first user turn, where an assignment or a person's wish stands."""
        return "\n".join(block.text for block in self.turns[0].blocks if block.type == "text")

    @property
    def tool_names(self) -> list[str]:
        return [tool.name for tool in self.tools]


class MessagesRequest(Prompt):
    """`POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=1)]
    stream: bool = False

    def since(self, opening: re.Pattern[str]) -> MessagesRequest:
        """The conversation from its last opening on: who goes on with an earlier one begins anew in the middle."""
        for position, turn in reversed(list(enumerate(self.turns))):
            texts = [block for block in turn.blocks if block.type == "text"]
            if turn.role == "user" and any(opening.search(block.text) for block in texts):
                begun = Message(role="user", content=texts)
                rest = self.model_dump(exclude={"messages"})
                return MessagesRequest(messages=[begun, *self.turns[position + 1 :]], **rest)
        return self


def unfenced(text: str) -> str:
    """What stands in the fence that agents put around a tool's answer, or `text` where there is none."""
    fenced = FENCED.fullmatch(text)
    return fenced[2] if fenced else text


def text_of(content: object) -> str:
    """The words of a tool result, which may be a string or a list of blocks."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            blocks = [Block.model_validate(block) for block in content]  # pyright: ignore[reportUnknownVariableType]
            return "\n".join(block.text for block in blocks if block.type == "text")
        case _:
            return str(content)
