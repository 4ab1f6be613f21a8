"""The port to a model: a chat takes texts and tool results and gives the next answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.settings import AgentSettings
from servers.kit.character import Llm
from servers.kit.errors import InvalidInput


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
    """One turn of the model."""

    text: str
    uses: tuple[ToolUse, ...]
    usage: Usage
    usd: float


class Chat(Protocol):
    """A conversation that remembers itself."""

    async def send(self, inputs: Sequence[str | ToolResult]) -> Answer:
        """The model's next turn; a call that failed leaves the conversation as it was.

        Raises:
            Stuck: The model refuses.
            NoModel: Nobody may use it, or it is away for longer than its patience.
        """
        ...


class Provider(Protocol):
    """A way to reach a model."""

    def chat(self, system: str, tools: Sequence[ToolSpec]) -> Chat: ...
    async def aclose(self) -> None: ...


def require_key(settings: AgentSettings) -> str:
    """The key of the Messages API.

    Raises:
        InvalidInput: It is missing.
    """
    if settings.anthropic_api_key is None:
        raise InvalidInput("ANTHROPIC_API_KEY is not set. Create a key in the Anthropic Console and export it.")
    return settings.anthropic_api_key.get_secret_value()


def load(llm: Llm, settings: AgentSettings) -> Provider:
    """The provider that a character names; slow the first time, because it imports the provider's SDK.

    Raises:
        InvalidInput: Its key is missing.
    """
    match llm.provider:
        case "anthropic":
            from agents.providers.anthropic import AnthropicProvider

            return AnthropicProvider(llm, require_key(settings), settings.model_patience_seconds)
