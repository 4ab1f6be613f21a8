"""The port to a model: a provider lets one work on a conversation until that has its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from servers.kit.money import Money

if TYPE_CHECKING:
    from agents.conversation import AnyConversation


@dataclass(frozen=True)
class Usage:
    """Tokens that were paid for."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model sees it."""

    name: str
    description: str
    input_schema: dict[str, Any]


@dataclass(frozen=True)
class ToolUse:
    """A call that the model asks for; `problem` says why its input cannot be used."""

    id: str
    name: str
    input: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True)
class ToolResult:
    """What a call gave."""

    id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Answer:
    """One turn of the model.

    Attributes:
        model: Which model it was, as its provider names it.
        provider: How it was reached, as a character names it.
    """

    text: str
    uses: tuple[ToolUse, ...]
    usage: Usage
    cost: Money
    model: str = ""
    provider: str = ""


class Provider(Protocol):
    """A way to reach a model; it runs the loop around the model itself, or has a program run it."""

    @property
    def name(self) -> str:
        """The provider as a character names it."""
        ...

    async def work(self, conversation: AnyConversation) -> None:
        """Let the model work until the conversation has its result.

        Raises:
            Stuck: The model refuses or gives up, or a limit of the run is reached.
            NoModel: Nobody may use it, or it is away for longer than its patience.
            UsageLimited: It is closed until a time that it says.
            Fenced, Superseded: The claim is over.
        """
        ...

    async def aclose(self) -> None:
        """Close what outlives single runs."""
        ...
