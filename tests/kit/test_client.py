"""A client rides out a restart, says what it cannot, and never mixes up two calls."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any

import pytest
from mcp.server import MCPServer
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from servers.kit.auth import SigningKey, Verifier
from servers.kit.client import tool_client
from servers.kit.errors import InvalidInput, RigError, TooLarge, Unauthenticated, Unavailable
from servers.kit.serve import Part, build_app
from tests.fixtures_waiting import Eventually
from tests.kit.conftest import Served, Start, State, free_port, tools
from tests.loopback import listening


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp/sample"
    async with tool_client(url, lambda: "t", attempts=2) as client:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await client.call("who")


async def test_a_token_that_is_refused_is_not_tried_again(served: Served) -> None:
    given: list[str] = []

    def token() -> str:
        given.append("no token")
        return given[-1]

    async with tool_client(f"{served.url}/mcp/sample", token) as client:
        with pytest.raises(Unauthenticated, match="rig token issue"):
            await client.call("who")
    assert len(given) == 1


async def test_a_renewed_token_is_used_at_once(served: Served) -> None:
    tokens = iter([served.token("dev"), "expired", served.token("ops")])
    async with tool_client(f"{served.url}/mcp/sample", lambda: next(tokens)) as client:
        assert (await client.call("who"))["role"] == "dev"
        with pytest.raises(Unauthenticated):
            await client.call("who")
        assert (await client.call("who"))["role"] == "ops"


async def test_a_refused_token_does_not_colour_a_later_failure(key: SigningKey) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with tool_client(f"{url}/mcp/sample", lambda: "no token", attempts=1) as client:
        async with listening(sample_app(key, url), port=port):
            with pytest.raises(Unauthenticated):
                await client.call("who")
        with pytest.raises(Unavailable):
            await client.call("who")


async def test_calls_side_by_side_keep_their_own_outcome(served: Served) -> None:
    good = served.token()
    tokens = iter([good, "bad"] * 20)
    async with tool_client(f"{served.url}/mcp/sample", lambda: next(tokens), attempts=1) as client:
        calls = (client.call("echo", {"text": str(n)}) for n in range(40))
        answers = await asyncio.gather(*calls, return_exceptions=True)
    mixed_up = [
        answer for n, answer in enumerate(answers) if answer != str(n) and not isinstance(answer, Unauthenticated)
    ]
    assert mixed_up == []


async def test_fifty_calls_at_once_are_all_answered(served: Served) -> None:
    async with served.client() as client:
        answers = await asyncio.gather(*(client.call("echo", {"text": str(n)}) for n in range(50)))
    assert answers == [str(n) for n in range(50)]


async def test_a_retried_call_carries_the_same_request_id(key: SigningKey) -> None:
    port, seen = free_port(), list[dict[str, Any]]()
    url = f"http://127.0.0.1:{port}"
    app = sample_app(key, url)

    async def flaky(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(seen) < 2:
            seen.append(json.loads(await Request(scope, receive).body()))
            await Response(status_code=502 + len(seen) % 2)(scope, receive, send)
        else:
            await app(scope, receive, send)

    token = key_token(key)
    async with listening(flaky, port=port), tool_client(f"{url}/mcp/sample", lambda: token) as client:
        said = await client.call("who", meta={"rig/instance": "i"})
    assert {body["params"]["_meta"]["rig/request_id"] for body in seen} == {said["request_id"]}
    assert len(seen) == 2


async def test_a_call_is_one_request(key: SigningKey) -> None:
    port, seen = free_port(), list[str]()
    url = f"http://127.0.0.1:{port}"
    app = sample_app(key, url)

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["headers"])[b"mcp-method"].decode())
        await app(scope, receive, send)

    token = key_token(key)
    async with listening(counting, port=port), tool_client(f"{url}/mcp/sample", lambda: token) as client:
        await client.call("count")
        await client.call("count")
    assert seen == ["tools/call", "tools/call"]


async def test_a_server_that_wants_an_argument_as_a_header_is_listed_first() -> None:
    mcp, port = MCPServer[Any]("sample"), free_port()

    async def shout(word: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Word"})]) -> str:
        return word.upper()

    mcp.add_tool(shout, structured_output=False)
    app = mcp.streamable_http_app(streamable_http_path="/mcp/sample", stateless_http=True)
    url = f"http://127.0.0.1:{port}/mcp/sample"
    async with listening(app, port=port), tool_client(url, lambda: "", attempts=1) as client:
        assert await client.call("shout", {"word": "hello"}) == "HELLO"


@pytest.mark.parametrize(
    "arguments", [{"text": "\ud800"}, {"\udfff": 1}, {"text": object()}, {"text": float("nan")}, {"text": b"x"}]
)
async def test_arguments_that_are_not_json_are_refused_at_once(served: Served, arguments: dict[str, Any]) -> None:
    async with served.client(attempts=100) as client:
        with pytest.raises(InvalidInput, match="arguments of echo are not JSON"):
            await client.call("echo", arguments)
        assert await client.call("echo", {"text": "still there"}) == "still there"


async def test_arguments_that_are_too_large_are_refused_at_once(served: Served) -> None:
    async with served.client(attempts=100) as client:
        with pytest.raises(TooLarge):
            await client.call("echo", {"text": "x" * 5_000_000})


@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 405, 500])
async def test_what_is_no_mcp_server_is_an_error_and_not_an_answer(status: int) -> None:
    async def page(_: Request) -> Response:
        return HTMLResponse("<h1>Hello</h1>", status_code=status)

    port = free_port()
    app = Starlette(routes=[Route("/mcp/sample", page, methods=["GET", "POST"])])
    url = f"http://127.0.0.1:{port}/mcp/sample"
    async with listening(app, port=port), tool_client(url, lambda: "t", attempts=1, timeout_seconds=10) as client:
        with pytest.raises(RigError):
            await client.call("who")


async def test_a_server_that_does_not_answer_in_time_is_unavailable_and_is_told(
    served: Served, eventually: Eventually
) -> None:
    async with served.client(attempts=1, timeout_seconds=0.3) as client:
        with pytest.raises(Unavailable, match=r"within 0.3 s"):
            await client.call("park")
        await eventually(lambda: served.state.cancelled == 1)


async def test_a_cancelled_caller_cancels_the_work_and_leaves_the_client_whole(
    served: Served, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.client() as client:
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            calls = [asyncio.create_task(client.call("park")) for _ in range(5)]
            await eventually(lambda: served.state.parked == 5)
            for call in calls:
                call.cancel()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            await eventually(lambda: served.state.cancelled == 5)
        assert {type(answer) for answer in answers} == {asyncio.CancelledError}
        assert await client.call("echo", {"text": "whole"}) == "whole"
    assert caplog.records == []


async def test_calls_survive_a_server_that_is_killed_and_started_again(start: Start, eventually: Eventually) -> None:
    program, answered = start(), 0
    await program.answers()
    async with program.client(attempts=30) as client:

        async def keep_calling() -> None:
            nonlocal answered
            while answered < 150:
                assert await client.call("echo", {"text": "hello"}) == "hello"
                answered += 1

        async with asyncio.TaskGroup() as group:
            calling = [group.create_task(keep_calling()) for _ in range(4)]
            for _ in range(2):
                before = answered
                await eventually(lambda: answered >= before + 20)  # noqa: B023
                program.process.kill()
                program.said()
                program.start()
                await program.answers()
                assert not any(task.done() for task in calling)
    assert answered >= 150


async def test_a_call_in_flight_when_the_server_dies_ends_soon(start: Start) -> None:
    program = start()
    await program.answers()
    async with program.client(attempts=1) as client:
        call = asyncio.create_task(client.call("park"))
        await client.call("echo", {"text": "a call that comes after"})
        program.process.kill()
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable):
                await call


async def test_without_the_keys_nobody_is_let_in_and_the_caller_may_try_again(key: SigningKey) -> None:
    async def unreadable() -> dict[str, Any]:
        raise Unavailable("The token keys cannot be read.")

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    token = key_token(key)
    app = sample_app(key, url, Verifier(unreadable))
    async with listening(app, port=port), tool_client(f"{url}/mcp/sample", lambda: token, attempts=1) as client:
        with pytest.raises(Unavailable):
            await client.call("who")


def sample_app(key: SigningKey, url: str, verifier: Verifier | None = None) -> Starlette:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[State]:
        yield State()

    return build_app([Part(tools, opened)], verifier or Verifier.of(key), url)


def key_token(key: SigningKey) -> str:
    return key.issue("dev-e", "dev", timedelta(hours=1))
