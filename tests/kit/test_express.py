"""An ordinary call goes past the SDK, and nobody can tell: every request is answered as the SDK answers it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.kit import express
from servers.kit.auth import SigningKey, Verifier
from servers.kit.client import tool_client
from servers.kit.errors import RigError
from servers.kit.express import Express
from servers.kit.serve import Part, build_app
from tests.fixtures_waiting import Eventually
from tests.kit.conftest import Served, State, free_port, tools
from tests.loopback import listening

URL = "http://127.0.0.1:7700"
PATH = "/mcp/sample"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "rig/instance": "dev-e-1",
}
HOUR = timedelta(hours=1)
Body = dict[str, Any]
Change = dict[str, Any]


class Passed:
    """Counts the requests that reach the SDK."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.times = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.times += scope["type"] == "http"
        await self._app(scope, receive, send)


def request(name: str = "echo", arguments: Body | None = None, meta: Body | None = None) -> Body:
    params = {"name": name, "arguments": {"text": "hello"} if arguments is None else arguments, "_meta": META}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params | ({"_meta": meta} if meta else {})}


def headers_of(token: str, name: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }


@asynccontextmanager
async def opened(key: SigningKey, with_lane: bool) -> AsyncGenerator[tuple[httpx2.AsyncClient, list[Passed]]]:
    """The sample with its fast lane, or as the SDK alone serves it."""

    @asynccontextmanager
    async def sample() -> AsyncGenerator[State]:
        yield State()

    app: Starlette = build_app([Part(tools, sample)], Verifier.of(key), URL)
    lane = next(each for each in app.user_middleware if each.cls is Express)
    passed: list[Passed] = []

    def counting(inner: ASGIApp) -> Passed:
        passed.append(Passed(inner))
        return passed[-1]

    others = [each for each in app.user_middleware if each is not lane]
    app.user_middleware = [*([lane] if with_lane else []), Middleware(counting), *others]
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=URL) as client,
    ):
        yield client, passed


async def answer(client: httpx2.AsyncClient, token: str, body: Body | bytes, change: Change) -> tuple[int, Any]:
    """The status, and what was said."""
    name = body["params"].get("name") if isinstance(body, dict) and isinstance(body.get("params"), dict) else "echo"
    sent = {key: value for key, value in (headers_of(token, str(name)) | change).items() if value is not None}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = await client.post(PATH, headers=sent, content=content)
    is_json = said.headers.get("content-type", "").startswith("application/json")
    return said.status_code, said.json() if is_json else said.text


ORDINARY: list[tuple[str, Body]] = [
    ("text", request()),
    ("text of many kinds", request(arguments={"text": 'ø\n\t"\\ \U0001f600 </script>'})),
    ("a structure", request("who", {})),
    ("a state that changes", request("count", {"by": 2})),
    ("a missing argument", request("echo", {})),
    ("an argument of another type", request("count", {"by": "many"})),
    ("an argument too many", request("who", {"and": 1})),
    ("a role that may not", request("danger", {})),
    ("a refusal", request("refuse", {})),
    ("a crash", request("crash", {})),
    ("a maimed claim", request("who", {}, META | {"rig/claim": {"issue": "x", "fence": 0}})),
    ("a name that is none", request("who", {}, META | {"rig/instance": "a\nb"})),
    ("no client info", request("who", {}, {k: v for k, v in META.items() if not k.endswith("clientInfo")})),
    ("a text as id", request() | {"id": "seven"}),
]


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in ORDINARY])
async def test_an_ordinary_call_is_answered_past_the_sdk_as_by_the_sdk(key: SigningKey, body: Body) -> None:
    token = key.issue("dev-e", "dev", HOUR)
    async with opened(key, True) as (fast, passed), opened(key, False) as (slow, _):
        (status, said), (expected_status, expected) = [await answer(each, token, body, {}) for each in (fast, slow)]
        stamp = said["result"].pop("_meta")
        assert stamp == expected["result"].pop("_meta", stamp), "refusals go unstamped through the SDK"
        assert (status, said) == (expected_status, expected)
        assert [each.times for each in passed] == [0]


OTHER: list[tuple[str, Body | bytes, Change]] = [
    ("no token", request(), {"Authorization": None}),
    ("a forged token", request(), {"Authorization": "Bearer a.b.c"}),
    ("another scheme", request(), {"Authorization": "Basic dXNlcjpw"}),
    ("another host", request(), {"Host": "evil.example.com"}),
    ("another origin", request(), {"Origin": "https://evil.example.com"}),
    ("another type of content", request(), {"Content-Type": "text/plain"}),
    ("an answer that we cannot give", request(), {"Accept": "text/html"}),
    ("only JSON is taken", request(), {"Accept": "application/json"}),
    ("another era", request(), {"MCP-Protocol-Version": "2025-11-25"}),
    ("an unknown era", request(), {"MCP-Protocol-Version": "2031-01-01"}),
    ("a header that names another tool", request(), {"Mcp-Name": "danger"}),
    ("a header that names another method", request(), {"Mcp-Method": "tools/list"}),
    ("no name in the headers", request(), {"Mcp-Name": None}),
    ("a parameter in the headers", request(), {"Mcp-Param-Text": "hello"}),
    ("a tool that is not there", request("nothing", {}), {}),
    ("arguments that are none", request() | {"params": {"name": "echo", "arguments": [], "_meta": META}}, {}),
    ("no meta", request() | {"params": {"name": "echo", "arguments": {"text": "x"}}}, {}),
    ("a version in the body that is another", request(meta=META | {next(iter(META)): "2025-11-25"}), {}),
    ("no capabilities", request(meta={next(iter(META)): "2026-07-28"}), {}),
    ("a client without a name", request(meta=META | {"io.modelcontextprotocol/clientInfo": {}}), {}),
    ("another method", request() | {"method": "ping"}, {}),
    ("no id", {k: v for k, v in request().items() if k != "id"}, {}),
    ("a batch", json.dumps([request()]).encode(), {}),
    ("no JSON", b"{", {}),
    ("nothing", b"", {}),
    ("deep JSON", b"[" * 100_000, {}),
    ("half a character", json.dumps(request(arguments={"text": "\ud800"})).encode(), {}),
    ("broken UTF-8", json.dumps(request()).encode().replace(b"hello", b"\xff\xfe"), {}),
    ("more than is usual", request(arguments={"text": "x" * (express.MOST_BYTES + 1)}), {}),
]


@pytest.mark.parametrize(("body", "change"), [pytest.param(body, change, id=name) for name, body, change in OTHER])
async def test_whatever_else_comes_the_sdk_answers(key: SigningKey, body: Body | bytes, change: Change) -> None:
    token = key.issue("dev-e", "dev", HOUR)
    async with opened(key, True) as (fast, passed), opened(key, False) as (slow, _):
        assert await answer(fast, token, body, change) == await answer(slow, token, body, change)
        assert [each.times for each in passed] == [1]


async def test_the_mesh_s_own_client_makes_ordinary_calls(key: SigningKey) -> None:
    passed: list[Passed] = []
    state, url = State(), f"http://127.0.0.1:{free_port()}"

    @asynccontextmanager
    async def sample() -> AsyncGenerator[State]:
        yield state

    def counting(inner: ASGIApp) -> Passed:
        passed.append(Passed(inner))
        return passed[-1]

    app = build_app([Part(tools, sample)], Verifier.of(key), url)
    app.user_middleware.insert(1, Middleware(counting))
    token = key.issue("dev-e", "dev", HOUR)
    async with listening(app, port=int(url.rpartition(":")[2])), tool_client(f"{url}{PATH}", lambda: token) as client:
        assert await client.call("count", {"by": 3}) == {"calls": 3}
        with pytest.raises(RigError, match="Somebody else has it"):
            await client.call("refuse", {})
    assert [each.times for each in passed] == [0]


async def test_work_ends_when_its_caller_hangs_up(served: Served, eventually: Eventually) -> None:
    async def parked() -> None:
        async with served.client() as client:
            await client.call("park", {})

    calling = asyncio.create_task(parked())
    await eventually(lambda: served.state.parked == 1)
    calling.cancel()
    await eventually(lambda: served.state.cancelled == 1)


async def test_a_call_that_takes_long_is_kept_alive_and_answered(key: SigningKey) -> None:
    state, url, heard = State(), f"http://127.0.0.1:{free_port()}", list[str]()

    @asynccontextmanager
    async def sample() -> AsyncGenerator[State]:
        yield state

    app = build_app([Part(tools, sample)], Verifier.of(key), url)
    next(each for each in app.user_middleware if each.cls is Express).kwargs["ping_seconds"] = 0.05
    headers = headers_of(key.issue("dev-e", "dev", HOUR), "park")
    async with (
        listening(app, port=int(url.rpartition(":")[2])),
        httpx2.AsyncClient(base_url=url) as http,
        http.stream("POST", PATH, headers=headers, json=request("park", {})) as stream,
    ):
        async for line in stream.aiter_lines():
            heard.append(line)
            if heard.count(": ping") == 2:
                state.release.set()
    [data] = [line.removeprefix("data: ") for line in heard if line.startswith("data: ")]
    assert json.loads(data)["result"]["structuredContent"] == {"released": True}
    assert state.cancelled == 0
