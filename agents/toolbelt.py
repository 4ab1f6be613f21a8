"""The tools that a character gives its model: nothing else can be called, whatever the model asks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from agents.errors import Stuck
from agents.mesh import Mesh
from agents.providers import ToolResult, ToolSpec, ToolUse
from agents.results import arguments
from servers.kit.character import Character
from servers.kit.errors import Fenced, RigError, Superseded, leaves
from servers.kit.logs import get

log = get(__name__)
LONGEST = 100_000
PATIENCE = 15


@dataclass(frozen=True)
class _Entry:
    server: str
    tool: str
    spec: ToolSpec
    read_only: bool


class Toolbelt:
    """The allowed tools of a run, by the name under which the model sees them."""

    def __init__(self, mesh: Mesh, entries: Sequence[_Entry]) -> None:
        self._mesh = mesh
        self._entries = {entry.spec.name: entry for entry in entries}

    @classmethod
    async def of(cls, character: Character, mesh: Mesh) -> Toolbelt:
        """Ask every server for the tools that the character allows.

        Raises:
            Stuck: The character names a tool that its server does not offer.
        """
        servers = [name for name, server in character.mcp_servers.items() if server.tools]
        listed = await asyncio.gather(*(mesh.list_tools(name) for name in servers))
        entries: list[_Entry] = []
        for server, tools in zip(servers, listed, strict=True):
            offered = {tool.name: tool for tool in tools}
            for name in character.mcp_servers[server].tools:
                if name not in offered:
                    raise Stuck("configuration", f"The server {server} offers {character.name} no tool {name}.")
                tool = offered[name]
                spec = ToolSpec(f"mcp__{server}__{name}", tool.description or "", tool.input_schema)
                hint = tool.annotations and tool.annotations.read_only_hint
                entries.append(_Entry(server, name, spec, bool(hint)))
        return cls(mesh, entries)

    @property
    def specs(self) -> list[ToolSpec]:
        """What the model is offered."""
        return [entry.spec for entry in self._entries.values()]

    async def use(self, uses: Sequence[ToolUse]) -> list[ToolResult]:
        """Make all calls of a turn together; those that may write keep their order among themselves.

        Raises:
            Fenced, Superseded: The claim is over; everything else is told to the model.
        """
        readers = [use for use in uses if self._reads(use)]
        writers = [use for use in uses if not self._reads(use)]
        try:
            async with asyncio.TaskGroup() as group:
                read = [group.create_task(self._one(use)) for use in readers]
                wrote = group.create_task(self._in_order(writers))
        except BaseExceptionGroup as failed:
            raise leaves(failed)[0] from failed
        results = {result.id: result for result in [*(task.result() for task in read), *wrote.result()]}
        return [results[use.id] for use in uses]

    def _reads(self, use: ToolUse) -> bool:
        entry = self._entries.get(use.name)
        return entry is not None and entry.read_only

    async def _in_order(self, uses: Sequence[ToolUse]) -> list[ToolResult]:
        return [await self._one(use) for use in uses]

    async def _one(self, use: ToolUse) -> ToolResult:
        entry = self._entries.get(use.name)
        if entry is None:
            text = f"forbidden: You have no tool {use.name}. You have {', '.join(sorted(self._entries))}."
            return ToolResult(use.id, text, is_error=True)
        if use.problem:
            return ToolResult(use.id, f"invalid_input: {use.problem}", is_error=True)
        log.debug("the model uses a tool", tool=use.name, input=arguments(use.input))
        try:
            answer = await self._mesh.call(
                entry.server, entry.tool, use.input, patience=PATIENCE if entry.read_only else 0
            )
        except (Fenced, Superseded):
            raise
        except RigError as error:
            return ToolResult(use.id, error.wire(), is_error=True)
        return ToolResult(use.id, shown(answer))


def shown(answer: Any) -> str:
    """A tool's answer as the model reads it."""
    if isinstance(answer, dict) and set(cast(dict[str, Any], answer)) == {"result"}:
        answer = cast(dict[str, Any], answer)["result"]
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n[{len(text) - LONGEST} more characters are left out; ask for a part]"
    return text
