"""One conversation with its model, tools and limits, and nothing around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.types import Tool, ToolAnnotations

from agents.conversation import Brief, Conversation
from agents.errors import BudgetExceeded, Stuck, UsageLimited
from agents.mesh import Mesh
from agents.meter import Grant, Meter
from agents.providers import Answer, Provider
from agents.results import DevResult
from agents.toolbelt import Toolbelt
from agents.transcripts import Kept, pack, unpack
from rig.doubles.anthropic.script import Play, say, use
from servers.kit.character import Budget, Character, Git, HttpServer
from servers.kit.errors import RigError
from servers.kit.money import Money
from tests.agents.stage import Model

FINISH = use("finish", title="fix: it", summary="Because.")
CHARACTER = Character(
    name="dev-e",
    role="dev",
    personality="You work.",
    git=Git(name="E", email="e@example.org"),
    mcpServers={"files": HttpServer(tools=["list_files", "write"])},
)


class Files:
    """A server in this process: `list_files` and `write` are allowed, `drop` is not."""

    def __init__(self) -> None:
        self.names = ["list_files", "write", "drop"]
        self.called: list[tuple[str, dict[str, Any]]] = []
        self.error: RigError | None = None
        self.says: str | None = None
        self.hangs: asyncio.Event | None = None
        self.inside = 0
        self.most_inside = 0

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, meta: Any = None) -> Any:
        self.called.append((tool, dict(arguments or {})))
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if self.hangs:
            self.hangs.set()
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return {"result": self.says or f"{tool} {arguments}"}

    async def list_tools(self) -> list[Tool]:
        return [
            Tool(
                name=name,
                input_schema={"type": "object"},
                annotations=ToolAnnotations(read_only_hint=name == "list_files"),
            )
            for name in self.names
        ]

    async def aclose(self) -> None:
        return


class Shelf:
    """Keeps transcripts as the conductor does: packed."""

    def __init__(self) -> None:
        self.content: dict[str, str] = {}

    async def find(self, provider: str) -> Kept | None:
        return unpack(self.content.get(provider, ""), 1)

    async def keep(self, provider: str, kept: Kept) -> None:
        packed = pack(kept, 1)
        assert packed
        self.content[provider] = packed


class Bench:
    """One provider with its model, tools and limits; each run is a conversation of its own."""

    def __init__(self, model: Model, provider: Provider, folder: Path) -> None:
        self.model = model
        self.provider = provider
        self.folder = folder
        self.files = Files()
        self.server = "files"
        self.shelf = Shelf()
        self.reported: list[Answer] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.complaints: list[str] = []
        self.limits: list[str] = []

    async def run(self, play: Callable[[], Play], opening: str = "Do it.", **budget: Any) -> DevResult:
        self.model.plays[:] = [play]
        self.folder.mkdir(exist_ok=True)
        servers = {self.server: HttpServer(tools=[name for name in self.files.names if name != "drop"])}
        character = CHARACTER.model_copy(update={"mcp_servers": servers})
        toolbelt = await Toolbelt.of(character, Mesh({self.server: self.files}, 0), self._event)
        meter = Meter(Budget(**budget), self._report, _room)
        brief = Brief("You work.", opening, self.folder)
        conversation = Conversation(
            brief, toolbelt, meter, DevResult, self._accept, self.shelf, limited=self._limited
        )
        try:
            await self.provider.work(conversation)
        except (Stuck, BudgetExceeded) as ended:
            ended.evidence = ended.evidence or conversation.trace
            raise
        assert conversation.result
        return conversation.result

    async def stuck(self, play: Callable[[], Play], **budget: Any) -> Stuck:
        with pytest.raises(Stuck) as caught:
            await self.run(play, **budget)
        return caught.value

    async def exceeded(self, play: Callable[[], Play], **budget: Any) -> BudgetExceeded:
        with pytest.raises(BudgetExceeded) as caught:
            await self.run(play, **budget)
        return caught.value

    async def _report(self, answer: Answer) -> None:
        self.reported.append(answer)

    async def _event(self, event: str, **data: Any) -> None:
        self.events.append((event, data))

    async def _limited(self, limit: UsageLimited) -> None:
        self.limits.append(limit.provider)

    async def _accept(self, _: DevResult) -> str | None:
        return self.complaints.pop(0) if self.complaints else None


async def _room(worst: Money) -> Grant:
    return Grant(worst * 1000, 1000)


def at_once() -> Play:
    """Hands in the result and does nothing else."""
    yield say("", FINISH)
