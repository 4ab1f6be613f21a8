"""A memory server that answers what it is handed and notes what it is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from servers.kit.errors import RigError
from servers.kit.serve import Part
from servers.kit.tools import READ, WRITE, CallerDep, Toolbox, state_of

tools = Toolbox("memory", "Remembers.")


@dataclass
class Memories:
    """What is remembered, and what was told and by whom."""

    found: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    leading: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    relevant: bool = True
    told: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    refuse: RigError | None = None

    def note(self, tool: str, said: Any) -> None:
        self.told.append((tool, said))
        if self.refuse:
            raise self.refuse


def memory(id: int, text: str, **more: Any) -> dict[str, Any]:
    """A memory as `read_memories` shows it."""
    fenced = f"<memory-0{id}>\n{text}\n</memory-0{id}>"
    return {"id": id, "kind": "learning", "repo": "ada/tally", "written_by": "dev-f", "text": fenced, **more}


async def _memories(ctx: Context[Any, Any]) -> Memories:
    return state_of(ctx)


MemoriesDep = Annotated[Memories, Resolve(_memories)]


@tools.tool(READ)
async def read_memories(
    memories: MemoriesDep, query: str, repo: str = "", limit: int = 8, leading: bool = False
) -> dict[str, Any]:
    """Find memories."""
    memories.note("read_memories", (query, repo))
    found = {"memories": memories.found[:limit], "relevant": memories.relevant, "note": ""}
    return {**found, "leading": memories.leading if leading else []}


@tools.tool(READ)
async def get_memory(memories: MemoriesDep, id: int) -> dict[str, Any]:
    """Read one memory."""
    memories.note("get_memory", id)
    return next(one for one in [*memories.leading, *memories.found] if one["id"] == id)


@tools.tool(WRITE)
async def write_memory(memories: MemoriesDep, caller: CallerDep, content: str, kind: str) -> dict[str, Any]:
    """Write a memory."""
    memories.note("write_memory", (content, kind, caller.claim and caller.claim.issue))
    return {"id": 99, "created": True}


@tools.tool(WRITE)
async def mark_used(memories: MemoriesDep, caller: CallerDep, ids: list[int], outcome: str) -> dict[str, Any]:
    """Say what was of use."""
    memories.note("mark_used", (ids, outcome, caller.claim and caller.claim.issue))
    return {"marked": ids}


def part(memories: Memories) -> Part:
    """The server as it is mounted."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Memories]:
        yield memories

    return Part(tools, opened)
