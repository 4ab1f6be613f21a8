"""The tools that a character gives its model: nothing else can be called, whatever the model asks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mcp.types import Tool

from agents.errors import Stuck
from agents.fences import Fence, neutral
from agents.mesh import Mesh
from agents.providers import ToolResult, ToolSpec, ToolUse
from agents.results import arguments
from servers.kit.character import Character, HttpServer, Server
from servers.kit.errors import Denied, Fenced, RigError, Superseded, Unavailable, leaves
from servers.kit.logs import get, redact

log = get(__name__)
# Tools of the rig that are for the process around the model.
RUNTIMES = frozenset({"git_credential", "get_transcript", "keep_transcript"})
LONGEST = 100_000
DENIALS = 3
REASON = 500
PATIENCE = 15


Report = Callable[..., Awaitable[None]]


async def _nobody(event: str, **data: Any) -> None:
    """Where nobody wants to know."""


@dataclass(frozen=True)
class _Entry:
    server: str
    tool: str
    spec: ToolSpec
    read_only: bool


class Toolbelt:
    """The allowed tools of a run, by the name under which the model sees them.

    Args:
        report: Tells the conductor what the guard denied.
        fence: The run's, in which every answer stands.
    """

    def __init__(
        self, mesh: Mesh, entries: Sequence[_Entry], report: Report = _nobody, fence: Fence | None = None
    ) -> None:
        self._mesh = mesh
        self._entries = {entry.spec.name: entry for entry in entries}
        self._report = report
        self._fence = fence or Fence()
        self._writing = asyncio.Lock()
        self._denials = 0

    @classmethod
    async def of(
        cls, character: Character, mesh: Mesh, report: Report = _nobody, fence: Fence | None = None
    ) -> Toolbelt:
        """Ask every server for the tools that the character allows.

        Raises:
            Stuck: The character names a tool that its server does not offer.
            Unavailable: A server that a run cannot do without is away.
        """
        servers = {name: server for name, server in character.mcp_servers.items() if server.tools}
        listed = await asyncio.gather(*(_listed(mesh, name, server) for name, server in servers.items()))
        entries: list[_Entry] = []
        for server, tools in zip(servers, listed, strict=True):
            if tools is None:
                continue
            offered = {tool.name: tool for tool in tools}
            for name in servers[server].tools:
                if name not in offered or name in RUNTIMES:
                    raise Stuck("configuration", f"The server {server} offers {character.name} no tool {name}.")
                tool = offered[name]
                spec = ToolSpec(f"mcp__{server}__{name}", tool.description or "", tool.input_schema)
                hint = tool.annotations and tool.annotations.read_only_hint
                entries.append(_Entry(server, name, spec, bool(hint)))
        return cls(mesh, entries, report, fence)

    @property
    def specs(self) -> list[ToolSpec]:
        """What the model is offered."""
        return [entry.spec for entry in self._entries.values()]

    def reads(self, name: str) -> bool:
        """Whether a tool changes nothing."""
        entry = self._entries.get(name)
        return entry is not None and entry.read_only

    async def use(self, uses: Sequence[ToolUse]) -> list[ToolResult]:
        """Make all calls of a turn together; those that may write keep their order among themselves.

        Raises:
            Fenced, Superseded: The claim is over.
            Stuck: The guard denied three calls in a row; everything else is told to the model.
        """
        readers = [use for use in uses if self.reads(use.name)]
        writers = [use for use in uses if not self.reads(use.name)]
        try:
            async with asyncio.TaskGroup() as group:
                read = [group.create_task(self._one(use)) for use in readers]
                wrote = group.create_task(self._in_order(writers))
        except BaseExceptionGroup as failed:
            raise leaves(failed)[0] from failed
        results = {result.id: result for result in [*(task.result() for task in read), *wrote.result()]}
        return [results[use.id] for use in uses]

    async def _in_order(self, uses: Sequence[ToolUse]) -> list[ToolResult]:
        async with self._writing:  # a program may ask for one while the other is still made
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
        except Denied as denied:
            await self.denied(use.name, str(denied))
            return ToolResult(use.id, denied.wire(), is_error=True)
        except RigError as error:
            self._denials = 0
            return ToolResult(use.id, neutral(error.wire()), is_error=True)
        self._denials = 0
        return ToolResult(use.id, self._fence.around(use.name, shown(answer)))

    async def denied(self, tool: str, why: str) -> None:
        """Tell of a call that the guard denied, wherever it did.

        Raises:
            Stuck: It is the third in a row.
        """
        self._denials += 1
        reason = redact(why)[:REASON]
        log.warning("the guard denied a call", tool=tool, reason=reason)
        await self._report("GUARD_BLOCKED", tool=tool, reason=reason)
        if self._denials >= DENIALS:
            raise Stuck("guard", f"The guard denied {self._denials} calls in a row.", f"{tool}: {reason}")


async def _listed(mesh: Mesh, name: str, server: Server) -> list[Tool] | None:
    if not isinstance(server, HttpServer) or server.required:
        return await mesh.list_tools(name)
    try:
        return await mesh.list_tools(name, patience=0)
    except Unavailable as error:
        log.warning("a run goes on without a server", server=name, reason=str(error))
        return None


def shown(answer: Any) -> str:
    """A tool's answer as the model reads it."""
    if isinstance(answer, dict) and set(cast(dict[str, Any], answer)) == {"result"}:
        answer = cast(dict[str, Any], answer)["result"]
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n[{len(text) - LONGEST} more characters are left out; ask for a part]"
    return text
