"""The one MCP server that a provider's program sees: the run's tools, on loopback, for the length of the run."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import uvicorn
from mcp.server.lowlevel import Server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    TextContent,
    Tool,
    ToolAnnotations,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.conversation import AnyConversation
from agents.prices import ModelPrice
from agents.providers import Answer, ToolResult, ToolSpec, ToolUse
from agents.providers.lines import Growing
from servers.kit.logs import get

log = get(__name__)
NAME = "rig"
PATH = "/mcp"
PREFIX = "mcp__"
COUNT_SECONDS = 1.0
FAILED = "Error: "
LATE = "The run is over; nothing more is done."


class Endpoint:
    """The tools of one conversation, and what went wrong in them.

    Args:
        price: What the program's model costs: each answer of a tool lets it make another call.
        max_tokens: The longest answer of the model.
        denied: File in which the guard's hook notes what it denies.
        says_errors: Whether the program tells its model that a call failed; if not, the answer's text does.
        answers_last: Whether the program ends by itself once the result is taken; if not, it gets no answer to that.

    Attributes:
        over: Set when the conversation has its result, or cannot get one.
        failure: Why it cannot.
    """

    def __init__(
        self,
        conversation: AnyConversation,
        price: ModelPrice,
        max_tokens: int,
        denied: Path,
        says_errors: bool = True,
        answers_last: bool = True,
    ) -> None:
        self._says_errors = says_errors
        self.answers_last = answers_last
        self.url = ""
        self.token = secrets.token_urlsafe(32)
        self.over = asyncio.Event()
        self.failure: Exception | None = None
        self._conversation = conversation
        self._price = price
        self._max_tokens = max_tokens
        self._denied = Growing(denied)
        self._counted = asyncio.Condition()
        self._asked = self._made = 0
        self._known = {_shown(spec): spec.name for spec in conversation.specs}
        self._tools = [_tool(spec, conversation.reads(spec.name)) for spec in conversation.specs]

    async def list_tools(self, _: Any, __: Any) -> ListToolsResult:
        """Every tool of the conversation."""
        return ListToolsResult(tools=self._tools)

    async def call_tool(self, _: Any, asked: CallToolRequestParams) -> CallToolResult:
        """Make one call as the conversation makes it; after the run is over, none."""
        if self.over.is_set():
            return _answer(ToolResult("", LATE, is_error=True))
        name = self._known.get(asked.name, asked.name)
        use = ToolUse(str(uuid4()), name, dict(asked.arguments or {}))
        await self.look()
        self._made += 1
        try:
            [result] = await self._conversation.use([use])
            if self._conversation.result is None:
                await self._until_counted()
                await self.require_room()
        except Exception as error:  # noqa: BLE001 - whatever ends the run is raised where the program is waited for
            self.end(error)
            return await _never()
        if self._conversation.result is not None:
            self.over.set()
            return _answer(result) if self.answers_last else await _never()
        if result.is_error and not self._says_errors:
            result = replace(result, text=f"{FAILED}{result.text}")
        return _answer(result)

    async def count(self, answer: Answer) -> None:
        """Note one answer of the program's model, as the program tells of it."""
        uses = tuple(replace(use, name=self._known.get(use.name, use.name)) for use in answer.uses)
        await self._conversation.count(replace(answer, uses=uses))
        async with self._counted:
            self._asked += len(answer.uses)
            self._counted.notify_all()
        await self.look()

    async def look(self) -> None:
        """Note what the guard's hook denied since the last look; the third in a row ends the run."""
        for said in self._denied.news():
            self._made += 1
            name = named(str(said.get("tool")))
            try:
                await self._conversation.denied(self._known.get(name, name), str(said.get("reason")))
            except Exception as error:  # noqa: BLE001 - as in a call
                self.end(error)

    async def require_room(self) -> None:
        """Let the program's model be called once more.

        Raises:
            BudgetExceeded: A budget has no room for that.
        """
        await self._conversation.require_room(self._price, self._max_tokens)

    async def _until_counted(self) -> None:
        """Wait for the price of the answer that asked for this call: a program may tell of it later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COUNT_SECONDS), self._counted:
                await self._counted.wait_for(lambda: self._asked >= self._made)

    def end(self, failure: Exception) -> None:
        """End the run with this failure, unless it has ended."""
        if not self.over.is_set():
            self.failure = failure
            self.over.set()


def named(name: str) -> str:
    """A tool's own name from the one that the program's model uses."""
    return name.removeprefix(f"{PREFIX}{NAME}__")


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncGenerator[Endpoint]:
    """Serve the tools on a free port of loopback for as long as the block lasts."""
    server = Server[dict[str, Any]](NAME, on_list_tools=endpoint.list_tools, on_call_tool=endpoint.call_tool)
    app = server.streamable_http_app(streamable_http_path=PATH, stateless_http=True)
    listener = _listener()
    endpoint.url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
    running = _Quiet(uvicorn.Config(
        _guarded(app, endpoint.token), lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=1,
    ))  # fmt: skip
    task = asyncio.create_task(running.serve(sockets=[listener]))
    try:
        yield endpoint
    finally:
        running.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


class _Quiet(uvicorn.Server):
    """Leaves signals to the agent."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listener() -> socket.socket:
    """A listening socket: who connects before the server runs waits instead of being refused."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


def _guarded(app: ASGIApp, token: str) -> ASGIApp:
    """`app` for whoever shows the token."""
    wanted = f"Bearer {token}".encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await app(scope, receive, send)
        shown = dict(scope.get("headers") or []).get(b"authorization", b"")
        if not hmac.compare_digest(shown, wanted):
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
            return await send({"type": "http.response.body", "body": b""})
        return await app(scope, receive, send)

    return guarded


def _shown(spec: ToolSpec) -> str:
    """`mcp__workspace__read_file` is `workspace__read_file` here; the program puts `mcp__rig__` before it."""
    return spec.name.removeprefix(PREFIX)


def _tool(spec: ToolSpec, read_only: bool) -> Tool:
    return Tool(
        name=_shown(spec),
        description=spec.description,
        input_schema=spec.input_schema,
        annotations=ToolAnnotations(read_only_hint=read_only),
    )


async def _never() -> NoReturn:
    """Leave the program without an answer until it is ended: with one its model would be called once more."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def _answer(result: ToolResult) -> CallToolResult:
    text = TextContent(type="text", text=result.text or "(no output)")
    return CallToolResult(content=[text], is_error=result.is_error)
