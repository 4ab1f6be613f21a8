"""Who gets the token and the claim, and how long an absent server is waited for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.types import Tool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.assignment import Claim
from agents.mesh import Identity, Mesh, open_mesh
from agents.settings import AgentSettings
from servers.kit.character import Character, Git, HttpServer, StdioServer
from servers.kit.errors import NotFound, RateLimited, Unauthenticated, Unavailable
from tests.agents.stage import served


class Flaky:
    """A server that is away for its first calls."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.metas: list[Mapping[str, Any]] = []

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, meta: Any = None) -> Any:
        self.metas.append(meta)
        if len(self.metas) <= self.away:
            raise RateLimited("Wait.") if len(self.metas) % 2 else Unavailable("Away.")
        return {"tool": tool}

    async def list_tools(self) -> list[Tool]:
        return []

    async def aclose(self) -> None:
        return


async def test_an_absent_server_is_asked_again_under_the_same_request_id() -> None:
    server = Flaky(away=2)
    mesh = Mesh({"github": server}, patience_seconds=30)
    mesh.hold(Claim(issue="a/b#1", fence=3))
    assert await mesh.call("github", "get_issue") == {"tool": "get_issue"}
    assert len({meta["rig/request_id"] for meta in server.metas}) == 1
    assert server.metas[0]["rig/claim"] == {"issue": "a/b#1", "fence": 3}
    await mesh.call("github", "get_issue")
    assert server.metas[-1]["rig/request_id"] != server.metas[0]["rig/request_id"]


async def test_patience_ends() -> None:
    server = Flaky(away=1000)
    with pytest.raises(Unavailable):
        await Mesh({"github": server}, patience_seconds=0.5).call("github", "get_issue")
    with pytest.raises(RateLimited):
        await Mesh({"github": Flaky(away=1)}, patience_seconds=60).call("github", "get_issue", patience=0)


async def test_a_server_that_the_character_lacks_is_named() -> None:
    with pytest.raises(NotFound, match="no server memory"):
        await Mesh({}, 0).call("memory", "read_memories")


class Earlier:
    """A server that knows sessions, which begin with `initialize`, and nothing newer."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.begun = 0

    async def answer(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.sessions.discard(request.headers["mcp-session-id"])
            return Response()
        if request.method == "GET":
            return Response(status_code=405)
        asked = json.loads(await request.body())
        if asked["method"] == "initialize":
            self.begun += 1
            self.sessions.add(f"s{self.begun}")
            about: dict[str, Any] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": VERSIONED,
            }
            return _said(asked, about, {"mcp-session-id": f"s{self.begun}"})
        if request.headers.get("mcp-session-id") not in self.sessions:
            return Response("Bad Request: Missing session ID", status_code=400)
        if "id" not in asked:
            return Response(status_code=202)
        if asked["method"] == "tools/list":
            return _said(asked, {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]})
        given = asked["params"]["arguments"]
        return _said(asked, {"content": [{"type": "text", "text": str(given["a"] + given["b"])}]})


VERSIONED = {"name": "earlier", "version": "1"}


def _said(asked: Any, result: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": result}, headers=headers)


async def test_a_foreign_server_of_the_earlier_protocol_is_spoken_to(tmp_path: Path) -> None:
    earlier = Earlier()
    routes = [Route("/mcp", earlier.answer, methods=["POST", "GET", "DELETE"])]
    async with served(lambda _: Starlette(routes=routes)) as url:
        character = named("e", {"sums": HttpServer(url=f"{url}/mcp")})
        settings = AgentSettings.load(token="secret")
        async with open_mesh(character, settings, Identity("e-1", "secret"), tmp_path) as mesh:
            assert [tool.name for tool in await mesh.list_tools("sums", patience=0)] == ["add"]
            assert await mesh.call("sums", "add", {"a": 1, "b": 2}, patience=0) == "3"
    assert (earlier.begun, earlier.sessions) == (2, set())


def named(name: str, servers: dict[str, StdioServer | HttpServer]) -> Character:
    git = Git(name="E", email="e@example.org")
    return Character(name=name, role="dev", personality="x", git=git, mcpServers=servers)


async def test_only_the_rigs_own_servers_see_the_token(tmp_path: Path) -> None:
    seen: dict[str, str | None] = {}

    async def note(request: Request) -> Response:
        seen[request.url.path] = request.headers.get("authorization")
        return Response(status_code=401)

    async with served(lambda _: Starlette(routes=[Route("/{path:path}", note, methods=["POST"])])) as url:
        character = named("e", {"memory": HttpServer(), "search": HttpServer(url=f"{url}/foreign")})
        elsewhere = {"github": f"{url}/own/github"}
        settings = AgentSettings.load(token="secret", conductor_url=f"{url}/", servers=elsewhere)
        async with open_mesh(character, settings, Identity("e-1", "secret"), tmp_path) as mesh:
            for server in ("conductor", "github", "memory", "search"):
                with pytest.raises(Unauthenticated):
                    await mesh.call(server, "anything", patience=0)
    assert seen == {
        "/mcp/conductor": "Bearer secret",
        "/own/github": "Bearer secret",
        "/mcp/memory": "Bearer secret",
        "/foreign": None,
    }


def test_an_identity_does_not_show_its_token() -> None:
    assert "secret" not in repr(Identity("e-1", "secret"))
