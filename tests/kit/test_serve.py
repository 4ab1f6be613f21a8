"""The app admits only whom it should, says how it is, and ends when it is told to."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.kit.auth import SigningKey, Verifier
from servers.kit.client import tool_client
from servers.kit.errors import Unavailable
from servers.kit.serve import Part, build_app
from servers.kit.tools import READ, Toolbox
from tests.fixtures_waiting import Eventually
from tests.kit.conftest import Start, free_port
from tests.loopback import listening

if TYPE_CHECKING:
    from .conftest import Served

BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ROOT = Path(__file__).parents[2]


def headers(token: str, **more: str) -> dict[str, str]:
    accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return {"Authorization": f"Bearer {token}", **accept, **more}


@pytest.fixture
async def http(served: Served) -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, timeout=20) as client:
        yield client


async def test_without_a_token_nobody_comes_in_and_is_told_where_to_look(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/mcp/sample", json=BODY)
    assert answer.status_code == 401
    assert "resource_metadata=" in answer.headers["WWW-Authenticate"]
    metadata = (await http.get("/.well-known/oauth-protected-resource/mcp/sample")).json()
    assert metadata["resource"] == f"{http.base_url}/mcp/sample".replace("//mcp", "/mcp")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer x y", "Basic dXNlcjpw", "Bearer null", "Token x", ""])
async def test_what_is_no_token_is_refused(http: httpx2.AsyncClient, scheme: str) -> None:
    answer = await http.post("/mcp/sample", json=BODY, headers=headers("") | {"Authorization": scheme})
    assert answer.status_code == 401


async def test_an_expired_token_and_one_of_another_rig_are_refused(served: Served, http: httpx2.AsyncClient) -> None:
    stranger = SigningKey(Ed25519PrivateKey.generate()).issue("dev-e", "dev", timedelta(hours=1))
    for token in (served.token(seconds=-60), stranger):
        answer = await http.post("/mcp/sample", json=BODY, headers=headers(token))
        assert answer.status_code == 401


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.com", "rig.example.com.evil.com", "localhost"])
async def test_a_request_for_another_host_is_misdirected(served: Served, http: httpx2.AsyncClient, host: str) -> None:
    answer = await http.post("/mcp/sample", json=BODY, headers=headers(served.token(), Host=host))
    assert answer.status_code == 421


async def test_the_rig_s_own_names_are_accepted(served: Served, http: httpx2.AsyncClient) -> None:
    for host in ("rig.example.com", "localhost:1234", "127.0.0.1:9", "[::1]:7700"):
        answer = await http.post("/mcp/sample", json=BODY, headers=headers(served.token(), Host=host))
        assert answer.status_code == 200, host


@pytest.mark.parametrize("origin", ["http://evil.example.com", "null", "file://"])
async def test_a_page_of_another_origin_is_refused(served: Served, http: httpx2.AsyncClient, origin: str) -> None:
    answer = await http.post("/mcp/sample", json=BODY, headers=headers(served.token(), Origin=origin))
    assert answer.status_code == 403


async def test_a_body_that_is_too_large_is_refused_however_it_is_sent(
    served: Served, http: httpx2.AsyncClient
) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(6):
            yield b" " * 1024 * 1024

    for content in (b" " * 6 * 1024 * 1024, pieces()):
        answer = await http.post("/mcp/sample", content=content, headers=headers(served.token()))
        assert answer.status_code == 413


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"jsonrpc": "2.0"}', b"[" * 100_000, b'{"id": NaN}']
)
async def test_a_body_that_is_no_request_is_refused(served: Served, http: httpx2.AsyncClient, content: bytes) -> None:
    answer = await http.post("/mcp/sample", content=content, headers=headers(served.token()))
    assert 400 <= answer.status_code < 500


async def test_health_and_readiness_are_told_apart(served: Served, http: httpx2.AsyncClient) -> None:
    assert (await http.get("/healthz")).json()["status"] == "ok"
    assert (await http.get("/readyz")).json() == {"ready": True, "waiting_for": {}}
    served.ready.append("the database does not answer")
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "waiting_for": {"sample": "the database does not answer"}}
    assert (await http.get("/healthz")).status_code == 200


left, right = Toolbox("left", "Left."), Toolbox("right", "Right.")


@left.tool(READ)
async def go_left() -> str:
    """Go left."""
    return "left"


@right.tool(READ)
async def go_right() -> str:
    """Go right."""
    return "right"


def part(toolbox: Toolbox, log: list[str]) -> Part:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[str]:
        log.append(f"open {toolbox.name}")
        yield f"state of {toolbox.name}"
        log.append(f"close {toolbox.name}")

    async def show(request: Request) -> JSONResponse:
        return JSONResponse(getattr(request.app.state, toolbox.name))

    return Part(toolbox, opened, [Route(f"/{toolbox.name}", show)])


async def test_several_servers_share_one_app_without_mixing(key: SigningKey) -> None:
    log, port = list[str](), free_port()
    url = f"http://127.0.0.1:{port}"
    app = build_app([part(left, log), part(right, log)], Verifier.of(key), url)
    token = key.issue("ada", "person", timedelta(hours=1))
    async with listening(app, port=port), httpx2.AsyncClient(base_url=url) as http:
        for toolbox in (left, right):
            async with tool_client(f"{url}/mcp/{toolbox.name}", lambda: token) as client:
                assert [tool.name for tool in await client.list_tools()] == [f"go_{toolbox.name}"]
                assert await client.call(f"go_{toolbox.name}") == toolbox.name
            assert (await http.get(f"/{toolbox.name}")).json() == f"state of {toolbox.name}"
        assert (await http.get("/mcp/middle")).status_code == 404
    assert log == ["open left", "open right", "close right", "close left"]


async def test_a_part_that_stands_before_the_routes_answers_what_it_knows(key: SigningKey) -> None:
    def front(app: ASGIApp) -> ASGIApp:
        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            known = scope["type"] == "http" and scope["path"] == "/known"
            await (Response("front") if known else app)(scope, receive, send)

        return answering

    app = build_app([replace(part(left, []), front=front), part(right, [])], Verifier.of(key), "http://rig.test")
    async with listening(app, port=(port := free_port())), httpx2.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/known")).text == "front"
        assert (await http.get(f"http://127.0.0.1:{port}/{right.name}")).json() == f"state of {right.name}"


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_cleanly(start: Start, order: signal.Signals) -> None:
    program = start()
    await program.answers()
    program.process.send_signal(order)
    assert "closed" in program.said()
    assert program.process.returncode == 0


@pytest.mark.parametrize("path", ["/events", "/raw"])
async def test_a_client_that_holds_a_stream_does_not_hold_the_server(start: Start, path: str) -> None:
    program = start(grace=2)
    await program.answers()
    async with httpx2.AsyncClient() as http, http.stream("GET", f"{program.url}{path}") as stream:
        await anext(stream.aiter_raw())
        began = time.monotonic()
        program.process.terminate()
        said = await asyncio.to_thread(program.said)
    assert time.monotonic() - began < 8
    assert program.process.returncode == 0
    assert "closed" in said


async def test_a_parked_call_does_not_hold_the_server(start: Start, eventually: Eventually) -> None:
    program = start(grace=1)
    await program.answers()
    async with program.client(attempts=1) as client:
        call = asyncio.create_task(client.call("park"))
        await eventually(lambda: httpx2.get(f"{program.url}/parked").json() == 1)
        began = time.monotonic()
        program.process.terminate()
        said = await asyncio.to_thread(program.said)
        with pytest.raises(Unavailable):
            await call
    assert time.monotonic() - began < 8
    assert program.process.returncode == 0
    assert "closed" in said


async def test_a_subscription_does_not_hold_the_server(start: Start) -> None:
    program, listening = start(grace=1), asyncio.Event()
    await program.answers()

    async def listen() -> None:
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {program.token()}"})
        transport = streamable_http_client(f"{program.url}/mcp/sample", http_client=http)
        async with (
            http,
            Client(transport, mode="2026-07-28") as client,
            client.listen(tools_list_changed=True) as news,
        ):
            listening.set()
            async for _ in news:
                pass

    task = asyncio.create_task(listen())
    async with asyncio.timeout(15):
        await listening.wait()
    began = time.monotonic()
    program.process.terminate()
    said = await asyncio.to_thread(program.said)
    await asyncio.gather(task, return_exceptions=True)
    assert time.monotonic() - began < 8
    assert program.process.returncode == 0
    assert "closed" in said


async def test_a_part_that_cannot_be_opened_ends_the_server_with_its_words(start: Start) -> None:
    program = start("at-start")
    assert "InvalidInput: The sample is told to fail." in await asyncio.to_thread(program.said)
    assert program.process.returncode == 2


async def test_a_part_that_breaks_down_ends_the_server(start: Start) -> None:
    program = start("later")
    await program.answers()
    async with httpx2.AsyncClient() as http:
        await http.get(f"{program.url}/fail")
    assert "InvalidInput: The sample is told to fail later." in await asyncio.to_thread(program.said)
    assert program.process.returncode == 2


async def test_a_port_that_is_taken_is_said(start: Start) -> None:
    program = start()
    await program.answers()
    second = start(port=program.port)
    assert f"Unavailable: 127.0.0.1:{program.port} cannot be served" in await asyncio.to_thread(second.said)
    assert second.process.returncode == 2
