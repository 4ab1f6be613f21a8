"""How scripts are written: a generator that is played again from the start for every request.

A script yields `Turn`s and receives the `Results` of their tools, so it reads like the conversation it is.
The double keeps nothing between requests: the position is what the conversation itself shows, which is why a
retried request and a restarted agent get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from rig.doubles.anthropic.request import Block, Message, MessagesRequest, text_of, unfenced

FAULT_MARK: Final = "toolu_fault"


class UnexpectedInput(Exception):
    """The conversation is not what the script was written for; says what was expected and what came."""

    def __init__(self, expected: str, came: object) -> None:
        super().__init__(f"expected {expected}; came: {str(came)[:1500]}")
        self.expected = expected
        self.came = came


@dataclass(frozen=True)
class ToolUse:
    name: str
    input: dict[str, Any]
    fault: bool = False


@dataclass(frozen=True)
class Turn:
    """What the model says next."""

    text: str = ""
    tool_uses: tuple[ToolUse, ...] = ()
    refused: bool = False

    @property
    def stop_reason(self) -> str:
        if self.refused:
            return "refusal"
        return "tool_use" if self.tool_uses else "end_turn"


@dataclass(frozen=True)
class Result:
    text: str
    is_error: bool

    def ok(self) -> str:
        if self.is_error:
            raise UnexpectedInput("a tool result without an error", self.text)
        return self.text


@dataclass(frozen=True)
class Results:
    """What a turn's tools answered, in the order they were asked, and what the user said beside."""

    items: tuple[Result, ...]
    said: str = ""

    def __iter__(self) -> Iterator[Result]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Result:
        return self.items[index]

    @property
    def only(self) -> Result:
        if len(self.items) != 1:
            raise UnexpectedInput("one tool result", [item.text for item in self.items])
        return self.items[0]


Script = Callable[[MessagesRequest], Turn]
Play = Generator[Turn, Results, None]


def use(name: str, **arguments: Any) -> ToolUse:
    return ToolUse(name, arguments)


def say(text: str, *uses: ToolUse) -> Turn:
    return Turn(text, uses)


def replay(request: MessagesRequest, play: Play) -> Turn:
    """The next turn of `play` after the conversation so far."""
    turn = next(play)
    for answer, results in rounds(request.turns):
        uses = [block for block in answer.blocks if block.type == "tool_use"]
        if not belongs(uses, turn):
            continue
        same_uses(uses, turn, request)
        try:
            turn = play.send(results)
        except StopIteration:
            raise UnexpectedInput("no further request after the last turn", results) from None
    return offered(turn, request)


def rounds(turns: list[Message]) -> Iterator[tuple[Message, Results]]:
    """Each assistant turn with what came back for it."""
    for answer, reply in zip(turns[1::2], turns[2::2], strict=False):
        by_id = {block.tool_use_id: block for block in reply.blocks if block.type == "tool_result"}
        asked = [block.id for block in answer.blocks if block.type == "tool_use"]
        items = tuple(Result(unfenced(text_of(by_id[one].content)), bool(by_id[one].is_error)) for one in asked)
        said = "\n".join(block.text for block in reply.blocks if block.type == "text")
        yield answer, Results(items, said)


def belongs(uses: list[Block], turn: Turn) -> bool:
    """An injected fault and words the runtime had to answer are no part of the script."""
    if any(block.id.startswith(FAULT_MARK) for block in uses):
        return False
    return bool(uses) or not turn.tool_uses


def same_uses(uses: list[Block], turn: Turn, request: MessagesRequest) -> None:
    came = [(block.name, block.input) for block in uses]
    expected = [(one.name, one.input) for one in offered(turn, request).tool_uses]
    if came != expected:
        raise UnexpectedInput(f"the assistant turn {expected}", came)


def offered(turn: Turn, request: MessagesRequest) -> Turn:
    return Turn(turn.text, tuple(as_offered(one, request.tool_names) for one in turn.tool_uses))


def as_offered(wanted: ToolUse, names: list[str]) -> ToolUse:
    """Some runtimes offer tools under the name of one server that carries them all."""
    own = wanted.name.removeprefix("mcp__")
    for name in names:
        if name == wanted.name or name.endswith(f"__{own}"):
            return ToolUse(name, wanted.input)
    raise UnexpectedInput(f"a request that offers the tool {wanted.name}", names)
