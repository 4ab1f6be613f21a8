"""Writes the reference pages of `docs/` from the code they describe: `python scripts/reference.py`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from mcp.types import Tool
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agents.settings import AgentSettings
from conductor.issues.lifecycle import diagram
from conductor.server import tools as conductor_tools
from conductor.settings import ConductorSettings
from rig.cli.access import ClientSettings
from rig.embedded.alone import AloneSettings as ConductorAlone
from rig.embedded.settings import UpSettings
from servers.github.server import tools as github_tools
from servers.github.settings import AloneSettings as GitHubAlone
from servers.github.settings import GitHubSettings
from servers.kit import character, repository
from servers.kit.auth import ROLES
from servers.kit.settings import RigSettings
from servers.kit.tools import Toolbox
from servers.memory.server import tools as memory_tools
from servers.memory.settings import AloneSettings as MemoryAlone
from servers.memory.settings import MemorySettings
from servers.workspace.server import tools as workspace_tools
from servers.workspace.settings import WorkspaceSettings

DOCS = Path(__file__).parents[1] / "docs"
TOOLBOXES: tuple[Toolbox, ...] = (conductor_tools, github_tools, memory_tools, workspace_tools)
SETTINGS: dict[str, type[RigSettings]] = {
    "`rig up`": UpSettings,
    "The conductor": ConductorSettings,
    "The github server": GitHubSettings,
    "The memory server": MemorySettings,
    "The workspace server": WorkspaceSettings,
    "An agent": AgentSettings,
    "`rig serve conductor`, beside the conductor's": ConductorAlone,
    "`rig serve github`, beside the github server's": GitHubAlone,
    "`rig serve memory`, beside the memory server's": MemoryAlone,
    "`rig issues`, `rig issue`": ClientSettings,
}


def pages() -> dict[Path, str]:
    """Every generated page: where it stands and what it says."""
    return {
        DOCS / "tools.md": asyncio.run(_tools()),
        DOCS / "settings.md": _settings(),
        DOCS / "lifecycle.md": _lifecycle(),
        DOCS / "schemas" / "character.json": _schema(character.json_schema()),
        DOCS / "schemas" / "rig-agent.json": _schema(repository.json_schema()),
    }


def _schema(schema: dict[str, Any]) -> str:
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(draft | schema, indent=2, ensure_ascii=False) + "\n"


async def _tools() -> str:
    parts = [
        "# The tools",
        (
            "People in Claude Code and agents call the same tools. A caller sees those that its role may use. "
            "A refusal starts with its code, such as `fenced:` or `invalid_input:`, and says what to do next."
        ),
    ]
    for box in TOOLBOXES:
        parts += [f"## {box.name}", f"At `/mcp/{box.name}`. {box.instructions}"]
        parts += [_tool(box, tool) for tool in await box.schemas()]
    return "\n\n".join(parts) + "\n"


def _tool(box: Toolbox, tool: Tool) -> str:
    roles = [role for role in ROLES if tool.name in box.names(role)]
    who = "everybody" if len(roles) == len(ROLES) else ", ".join(roles)
    hints = tool.annotations
    kind = "reads" if hints and hints.read_only_hint else "destroys" if hints and hints.destructive_hint else "writes"
    rows = [_argument(name, schema, tool) for name, schema in tool.input_schema.get("properties", {}).items()]
    table = ["| argument | type | default | meaning |", "|---|---|---|---|", *rows] if rows else []
    return "\n".join([f"### `{tool.name}`", f"*{kind} · {who}*", "", tool.description or "", "", *table]).rstrip()


def _argument(name: str, schema: dict[str, Any], tool: Tool) -> str:
    default = "required" if name in tool.input_schema.get("required", []) else f"`{schema.get('default')!r}`"
    return f"| `{name}` | {_type(schema)} | {default} | {_cell(schema.get('description', ''))} |"


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return _cell(" | ".join(f"`{value}`" for value in schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _settings() -> str:
    parts = [
        "# The settings",
        (
            "The environment goes over `rig.toml`, where the same names stand in lower case without `RIG_`. "
            "Each can also be given as `…_FILE`, the name of a file that holds the value; do so with secrets."
        ),
    ]
    for title, settings in SETTINGS.items():
        rows = [_setting(name, field) for name, field in settings.model_fields.items()]
        parts.append("\n".join([f"## {title}", "", "| variable | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _setting(name: str, field: FieldInfo) -> str:
    default = field.default
    if field.default_factory is not None:
        default = field.default_factory()  # pyright: ignore[reportCallIssue]
    text = "" if default is None else str(default).replace(str(Path.home()), "~")
    shown = "required" if default is PydanticUndefined else f"`{text}`" if text else "–"
    return f"| `RIG_{name.upper()}` | {shown} | {_cell(field.description or '')} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _lifecycle() -> str:
    return (
        "# The lifecycle of an issue\n\n"
        "Made from the table in `conductor/issues/lifecycle.py`; whatever is not in the table is refused. Events "
        f"that leave the status where it is are not drawn.\n\n```mermaid\n{diagram()}\n```\n"
    )


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
