"""The character file: who an agent is, what it may use and cost; mistakes are named with their line."""

from __future__ import annotations

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

from servers.kit import strict_yaml
from servers.kit.errors import InvalidInput

Kind = Literal["implement", "rework", "review", "verify"]
WORK: Final[dict[str, tuple[Kind, ...]]] = {"dev": ("implement", "rework"), "review": ("review",)}
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpServer(_Strict):
    """An MCP server reached over Streamable HTTP."""

    url: str | None = Field(default=None, description="Endpoint; by default the rig's own server of this name")
    tools: list[str] = Field(default_factory=list, description="Tools that the model may call; none by default")


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


class Llm(_Strict):
    """Which model thinks."""

    provider: Literal["anthropic"] = Field(default="anthropic", description="How the model is reached")
    model: str = Field(default="claude-sonnet-5-5", description="Model name as the provider knows it")
    max_tokens: int = Field(default=16_000, ge=256, le=128_000, description="Longest single answer, in tokens")


class Budget(_Strict):
    """When a run has to stop."""

    turns: int = Field(default=60, ge=1, le=1000, description="Model calls per run")
    usd: float = Field(default=5.0, gt=0, le=1000, description="US dollars per run")
    minutes: float = Field(default=60, gt=0, le=1440, description="Wall-clock minutes per run")


class Git(_Strict):
    """The name under which the agent commits."""

    name: str = Field(min_length=1, max_length=100)
    email: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=200)


class Character(_Strict):
    """One agent: everything that distinguishes it from the others."""

    name: Name = Field(description="Identity on tokens, claims and events, such as dev-e-python")
    title: str = Field(default="", description="Name for people, such as Dev-E (Python)")
    role: Literal["dev", "review"] = Field(description="What work it is offered: dev implements, review reviews")
    kinds: list[Kind] = Field(
        default_factory=list[Kind],
        description="Kinds of work it claims: what its role does (also if empty), or verify, the check of an issue",
    )
    stacks: list[Name] = Field(default_factory=list, description="Stacks it can work on; empty: any")
    personality: str = Field(min_length=1, description="System prompt")
    llm: Llm = Llm()
    mcp_servers: dict[Name, Server] = Field(default_factory=dict, alias="mcpServers")
    budget: Budget = Budget()
    git: Git
    heartbeat_seconds: float = Field(default=20, ge=0.1, le=120, alias="heartbeatSeconds")
    instances: int = Field(default=1, ge=1, le=32, description="How many may run at once in embedded mode")

    @property
    def work(self) -> tuple[Kind, ...]:
        """The kinds of work that it claims."""
        return tuple(self.kinds) or WORK[self.role]

    @field_validator("kinds")
    @classmethod
    def _fit(cls, kinds: list[Kind], info: ValidationInfo) -> list[Kind]:
        own = WORK.get(info.data.get("role", ""))
        foreign = [kind for kind in kinds if own and kind not in (*own, "verify")]
        if own and foreign:
            raise ValueError(f"{', '.join(foreign)} is not for its role; it may claim {', '.join(own)}, verify")
        return kinds

    @model_validator(mode="before")
    @classmethod
    def _unnest(cls, data: Any) -> Any:
        """Accept the older form with everything below one key `character:`."""
        if isinstance(data, dict) and set(cast(dict[str, Any], data)) == {"character"}:
            return cast(dict[str, Any], data)["character"]
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
    below = ["character"] if set(data) == {"character"} else []
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
