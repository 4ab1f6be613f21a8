"""The character file: who an agent is, what it may use and cost; mistakes are named with their line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from servers.kit import older_character, strict_yaml
from servers.kit.errors import InvalidInput
from servers.kit.roles import AgentRole
from servers.kit.schedule import CronPrompt

Kind = Literal["implement", "rework", "review", "verify", "chore", "answer", "triage", "judge", "deploy"]
WORK: Final[dict[AgentRole, tuple[Kind, ...]]] = {
    "dev": ("implement", "rework"),
    "review": ("review",),
    "architect": ("chore",),
    "monitor": ("triage",),
    "support": ("answer",),
    "deploy": ("deploy",),
}
MORE: Final[dict[AgentRole, tuple[Kind, ...]]] = {"dev": ("verify",), "review": ("verify", "judge")}
# Work that is no issue's: it is for one character by name.
CHORES: Final[frozenset[Kind]] = frozenset({"chore", "answer", "triage", "judge", "deploy"})
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpServer(_Strict):
    """An MCP server reached over Streamable HTTP."""

    url: str | None = Field(default=None, description="Endpoint; by default the rig's own server of this name")
    tools: list[str] = Field(default_factory=list, description="Tools that the model may call; none by default")
    required: bool = Field(default=True, description="Whether a run waits for it; otherwise it goes on without")


class StdioServer(_Strict):
    """An MCP server started beside the agent and spoken to over stdin and stdout."""

    command: str = Field(description="Program to start")
    args: list[str] = Field(default_factory=list, description="Its arguments")
    env: dict[str, str] = Field(default_factory=dict, description="Environment it sees besides PATH and HOME")
    tools: list[str] = Field(default_factory=list, description="Tools that the model may call; none by default")
    keep: bool = Field(
        default=False, description="Whether it may serve one run after the other; it must remember nothing of them"
    )


def _kind(server: Any) -> str:
    started = "command" in cast(dict[str, Any], server) if isinstance(server, dict) else hasattr(server, "command")
    return "StdioServer" if started else "HttpServer"


# Told apart by `command`, so that a mistake is named once and not for both kinds.
Server = Annotated[
    Annotated[HttpServer, Tag("HttpServer")] | Annotated[StdioServer, Tag("StdioServer")], Discriminator(_kind)
]


class Price(_Strict):
    """What a model costs, in US dollars per million tokens."""

    input: Decimal = Field(ge=0, le=10_000, description="Tokens of the prompt that are not cached")
    output: Decimal = Field(gt=0, le=10_000, description="Tokens of the answer")
    cache_read: Decimal = Field(ge=0, le=10_000, description="Tokens of the prompt that come from the cache")
    cache_write: Decimal = Field(ge=0, le=10_000, description="Tokens of the prompt that are put into the cache")


class Llm(_Strict):
    """Which model thinks."""

    provider: Literal["anthropic", "claude-cli", "codex-cli"] = Field(
        default="anthropic",
        description="How the model is reached: anthropic by its API; claude-cli and codex-cli by Claude Code and "
        "Codex, which have to be installed",
    )
    model: str = Field(default="claude-sonnet-5-5", description="Model name as the provider knows it")
    max_tokens: int = Field(default=16_000, ge=256, le=128_000, description="Longest single answer, in tokens")
    price: Price | None = Field(default=None, description="What it costs, if the price table does not say so")


class Budget(_Strict):
    """When a run has to stop."""

    turns: int = Field(default=60, ge=1, le=1000, description="Model calls per run")
    usd: float = Field(default=5.0, gt=0, le=1000, description="US dollars per run")
    minutes: float = Field(default=60, gt=0, le=1440, description="Wall-clock minutes per run")
    usd_per_issue: float | None = Field(
        default=None, gt=0, le=10_000, description="US dollars for this agent's runs on one issue; by default no cap"
    )
    turns_per_issue: int | None = Field(
        default=None, ge=1, le=100_000, description="Model calls of this agent's runs on one issue"
    )
    usd_per_day: float | None = Field(
        default=None, gt=0, le=100_000, description="US dollars for all of this agent's runs in a day (UTC)"
    )
    turns_per_day: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Model calls of all of this agent's runs in a day (UTC)"
    )


class Git(_Strict):
    """The name under which the agent commits."""

    name: str = Field(min_length=1, max_length=100)
    email: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=200)


class Character(_Strict):
    """One agent: everything that distinguishes it from the others."""

    name: Name = Field(description="Identity on tokens, claims and events, such as dev-e-python")
    title: str = Field(default="", description="Name for people, such as Dev-E (Python)")
    role: AgentRole = Field(
        description="What work it is offered: dev implements, review reviews, architect proposes, monitor looks at "
        "incidents, support answers questions, deploy verifies deployments"
    )
    kinds: list[Kind] = Field(
        default_factory=list[Kind],
        description="Kinds of work it claims: what its role does (also if empty); verify, the check of an issue; "
        "judge, the scores of merged work; chore, what is asked of it by name",
    )
    stacks: list[Name] = Field(default_factory=list, description="Stacks it can work on; empty: any")
    personality: str = Field(min_length=1, description="System prompt")
    llm: Llm = Llm()
    fallback_providers: list[Llm] = Field(
        default_factory=list[Llm],
        alias="fallbackProviders",
        max_length=5,
        description="Models that go on, in this order, where the one before is at a limit, away, or refuses its key",
    )
    mcp_servers: dict[Name, Server] = Field(default_factory=dict, alias="mcpServers")
    budget: Budget = Budget()
    git: Git
    cron: list[CronPrompt] = Field(
        default_factory=list[CronPrompt], max_length=20, description="What it is asked to do by the clock"
    )
    heartbeat_seconds: float = Field(default=20, ge=0.1, le=120, alias="heartbeatSeconds")
    instances: int = Field(default=1, ge=1, le=32, description="How many may run at once in embedded mode")

    @property
    def work(self) -> tuple[Kind, ...]:
        """The kinds of work that it claims."""
        own = tuple(self.kinds) or WORK[self.role]
        return (*own, "chore") if self.cron and "chore" not in own else own

    @property
    def providers(self) -> tuple[str, ...]:
        """Every provider by which it can reach a model."""
        return tuple(dict.fromkeys([self.llm.provider, *(llm.provider for llm in self.fallback_providers)]))

    @field_validator("kinds")
    @classmethod
    def _fit(cls, kinds: list[Kind], info: ValidationInfo) -> list[Kind]:
        role: AgentRole | None = info.data.get("role")
        own = (*WORK[role], *MORE.get(role, ()), "chore") if role else kinds
        if foreign := [kind for kind in kinds if kind not in own]:
            named = ", ".join(dict.fromkeys(own))
            raise ValueError(f"{', '.join(foreign)} is not for its role; it may claim {named}")
        return kinds

    @model_validator(mode="before")
    @classmethod
    def _unnest(cls, data: Any) -> Any:
        """Accept the original's form, with everything below one key `character:`."""
        if isinstance(data, dict) and older_character.is_older(cast(dict[str, Any], data)):
            return older_character.completed(cast(dict[str, Any], data)[older_character.KEY])
        return cast(Any, data)


def parse(text: str, source: str) -> Character:
    """Read a character.

    Args:
        text: YAML.
        source: File name for messages.

    Raises:
        InvalidInput: Every mistake, each as `file:line: key: what is wrong`.
    """
    node, data = strict_yaml.read(text, source, "a character")
    below = [older_character.KEY] if older_character.is_older(data) else []
    return strict_yaml.validate(Character, data, node, source, "character", below, r"(Http|Stdio)Server")


def load(path: Path) -> Character:
    """Read the character file at `path`; errors as in `parse`, and InvalidInput if it cannot be read."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read ({error}).") from error


def load_files(folder: Path) -> dict[Path, Character]:
    """The catalogue: every `*.yaml` of `folder` by its path.

    Raises:
        InvalidInput: A file is wrong, or two files have one name.
    """
    files: dict[Path, Character] = {}
    taken: set[str] = set()
    for path in sorted(folder.glob("*.yaml")):
        files[path] = character = load(path)
        if character.name in taken:
            raise InvalidInput(f"{path}: the name {character.name} is taken by another file.")
        taken.add(character.name)
    return files


def load_all(folder: Path) -> dict[str, Character]:
    """The catalogue by name; errors as in `load_files`."""
    return {character.name: character for character in load_files(folder).values()}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a character file, for editors."""
    return Character.model_json_schema(by_alias=True)
