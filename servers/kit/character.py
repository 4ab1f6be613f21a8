"""The character file: who an agent is, what it may use and cost; mistakes are named with their line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator
from yaml.reader import ReaderError

from servers.kit.errors import InvalidInput

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
    stacks: list[Name] = Field(default_factory=list, description="Stacks it can work on; empty: any")
    personality: str = Field(min_length=1, description="System prompt")
    llm: Llm = Llm()
    mcp_servers: dict[Name, Server] = Field(default_factory=dict, alias="mcpServers")
    budget: Budget = Budget()
    git: Git
    heartbeat_seconds: float = Field(default=20, ge=0.1, le=120, alias="heartbeatSeconds")
    instances: int = Field(default=1, ge=1, le=32, description="How many may run at once in embedded mode")

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
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput(f"{source}:{_yaml_line(error, text)}: not valid YAML: {_yaml_problem(error)}") from error
    except RecursionError as error:
        raise InvalidInput(f"{source}:1: nested too deeply.") from error
    if node is None or not isinstance(data, dict):
        raise InvalidInput(f"{source}:1: a character is a mapping of keys to values.")
    _refuse_repeated_keys(node, source)
    try:
        return Character.model_validate(data)
    except ValidationError as error:
        nested = set(cast(dict[str, Any], data)) == {"character"}
        problems = [_problem(source, node, problem, nested) for problem in error.errors(include_url=False)]
        said = [said for _, said in sorted(problems, key=lambda one: one[0])]
        raise InvalidInput("\n".join(dict.fromkeys(said))) from error


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


def _yaml_line(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, ReaderError):
        return text.count("\n", 0, error.position) + 1
    mark = cast("yaml.Mark | None", getattr(error, "problem_mark", None))
    return mark.line + 1 if mark else 1


def _yaml_problem(error: yaml.YAMLError) -> str:
    return " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split())


def _problem(source: str, node: yaml.Node, problem: Any, nested: bool) -> tuple[int, str]:
    """Its line, and what is said of it."""
    # pydantic names the members of a union in the location; they are not keys of the file
    path = [
        str(part) for part in problem["loc"] if not re.fullmatch(r"(Http|Stdio)Server|function-.*|\[key\]", str(part))
    ]
    line = _line_of(node, (["character"] if nested else []) + path)
    what = "unknown key" if problem["type"] == "extra_forbidden" else str(problem["msg"])
    return line, f"{source}:{line}: {'.'.join(path) or 'character'}: {what}"


def _line_of(node: yaml.Node, path: list[str]) -> int:
    """The line of the key at `path`, or of the deepest part of it that exists."""
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = _entry(node, part)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
    return line + 1


def _entry(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    merged: list[yaml.Node] = []
    for name, value in node.value:
        if name.value == key:
            return name, value
        if name.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    found = (_entry(base, key) for base in merged if isinstance(base, yaml.MappingNode) and base is not node)
    return next((entry for entry in found if entry), None)


def _refuse_repeated_keys(root: yaml.Node, source: str) -> None:
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue  # an alias; it may even stand within its own anchor
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_key(node, source)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_repeated_key(node: yaml.MappingNode, source: str) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        if key.value in names:
            raise InvalidInput(f"{source}:{key.start_mark.line + 1}: {key.value}: the key stands twice")
        names.add(key.value)
