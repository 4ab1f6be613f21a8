"""From a character's `llm` to the provider it names, and what is missing for that."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta

from pydantic import SecretStr

from agents.prices import Prices
from agents.providers import Provider
from agents.providers.in_order import InOrder
from agents.settings import AgentSettings
from servers.kit.character import Character, Llm
from servers.kit.errors import InvalidInput

ANTHROPIC = "ANTHROPIC_API_KEY is not set. Create a key in the Anthropic Console and export it."
CLAUDE = (
    "Neither ANTHROPIC_API_KEY nor CLAUDE_CODE_OAUTH_TOKEN is set. Create a key in the Anthropic Console, or a token "
    "with `claude setup-token`, and export it."
)
OPENAI = "Neither OPENAI_API_KEY nor CODEX_API_KEY is set. Create a key on the OpenAI platform and export it."
KEYS = {"anthropic": ANTHROPIC, "claude-cli": CLAUDE, "codex-cli": OPENAI}
CLAUDE_INSTALL = "npm install --global @anthropic-ai/claude-code"
CODEX_INSTALL = "npm install --global @openai/codex"


VARIABLES = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "claude-cli": ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"),
    "codex-cli": ("CODEX_API_KEY", "OPENAI_API_KEY"),
}


def models(character: Character) -> Sequence[Llm]:
    """The model of a character and those that stand in for it, in order."""
    return [character.llm, *character.fallback_providers]


def require(character: Character, settings: AgentSettings) -> None:
    """See that everything is there that the character's models need.

    Raises:
        InvalidInput: Every key and program that is missing, each with the provider that needs it and how to get it.
    """
    needed = list(dict.fromkeys(llm.provider for llm in models(character)))
    found = [f"{name}: {problem}" for name in needed for problem in missing(name, settings)]
    if found:
        raise InvalidInput("\n".join([f"{character.name} cannot reach its model.", *found]))


def missing(provider: str, settings: AgentSettings) -> list[str]:
    """What a provider lacks, each with how to get it."""
    programs = {
        "claude-cli": (settings.claude_program, CLAUDE_INSTALL),
        "codex-cli": (settings.codex_program, CODEX_INSTALL),
    }
    lacks = [] if keys(provider, settings) else [KEYS[provider]]
    program, install = programs.get(provider, ("", ""))
    if program and shutil.which(program) is None:
        lacks.append(f"There is no program {program}. Install it: {install}")
    return lacks


def load(character: Character, settings: AgentSettings) -> Provider:
    """The provider of a character; slow the first time, because it may import the provider's SDK.

    Raises:
        InvalidInput: Something is missing for it, or nobody says what a model costs.
    """
    require(character, settings)
    prices = Prices.load(settings.prices)
    return InOrder([_load(llm, settings, prices) for llm in models(character)])


def variables(character: Character) -> set[str]:
    """The variables whose keys a character's models may need; its process sees no others."""
    return {name for llm in models(character) for name in VARIABLES[llm.provider]}


def keys(provider: str, settings: AgentSettings) -> dict[str, str]:
    """The one variable with a key that a provider's program sees: its own before the one that it shares."""
    known: dict[str, SecretStr | None] = {name: getattr(settings, name.lower()) for name in VARIABLES[provider]}
    found = [(name, key.get_secret_value()) for name, key in known.items() if key]
    return dict(found[:1])


def _load(llm: Llm, settings: AgentSettings, prices: Prices) -> Provider:
    price, patience = prices.of(llm.model, llm.price), settings.model_patience_seconds
    key = keys(llm.provider, settings)
    match llm.provider:
        case "anthropic":
            from agents.providers.anthropic import AnthropicProvider

            return AnthropicProvider(llm, key["ANTHROPIC_API_KEY"], price, patience)
        case "claude-cli":
            from agents.providers.claude_cli import ClaudeSeat
            from agents.providers.cli import Cli, Setup

            setup = Setup(llm, settings.claude_program, key, price, timedelta(seconds=patience))
            return Cli(llm.provider, setup, ClaudeSeat)
        case "codex-cli":
            from agents.providers.cli import Cli, Setup
            from agents.providers.codex_cli import CodexSeat

            setup = Setup(llm, settings.codex_program, key, price, timedelta(seconds=patience))
            return Cli(llm.provider, setup, CodexSeat)
