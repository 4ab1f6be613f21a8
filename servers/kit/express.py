"""Answers ordinary tool calls of the modern era without the SDK's machinery, in a tenth of its time.

Whatever is not as ordinary as can be goes to the SDK as it came: there is one place that refuses and negotiates.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, cast

import msgspec
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.types import CallToolResult
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.kit.auth import Verifier
from servers.kit.errors import RigError
from servers.kit.tools import Toolbox

ERA = "2026-07-28"
MOST_BYTES = 256 * 1024
PROMPT_SECONDS = 0.05  # whoever takes longer is cancelled when its caller hangs up
_KEY = "io.modelcontextprotocol/"
_ONCE = (b"host", b"content-type", b"content-length", b"accept", b"authorization")
_ROUTING = ((b"mcp-protocol-version", ERA.encode()), (b"mcp-method", b"tools/call"))
_STREAM = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"))
Headers = dict[bytes, bytes]


class _ClientInfo(msgspec.Struct):
    name: str
    version: str


class _Meta(msgspec.Struct):
    protocol: Literal["2026-07-28"] = msgspec.field(name=f"{_KEY}protocolVersion")
    capabilities: dict[str, Any] = msgspec.field(name=f"{_KEY}clientCapabilities")
    client: _ClientInfo | None = msgspec.field(name=f"{_KEY}clientInfo", default=None)


_KNOWN = {field.encode_name for field in msgspec.structs.fields(_Meta)}


class _Params(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    meta: dict[str, Any] = msgspec.field(name="_meta")
    arguments: dict[str, Any] = {}


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    jsonrpc: Literal["2.0"]
    id: int | str
    method: Literal["tools/call"]
    params: _Params


_decode = msgspec.json.Decoder(_Call).decode


@dataclass(frozen=True)
class Lane:
    """The tools behind one path, and what they work on."""

    toolbox: Toolbox
    state: Callable[[], Any]

    @functools.cached_property
    def _stamp(self) -> dict[str, Any]:
        return {f"{_KEY}serverInfo": {"name": f"rig-{self.toolbox.name}", "version": version("engineering-rig")}}

    async def answer(self, call: _Call) -> bytes:
        """Make a call; the JSON-RPC response."""
        params = call.params
        result: CallToolResult = await self.toolbox.call(params.name, params.arguments, self.state(), params.meta)
        shown = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        shown["_meta"] = self._stamp | shown.get("_meta", {})
        return msgspec.json.encode({"jsonrpc": "2.0", "id": call.id, "result": shown})


class Express:
    """Middleware in front of everything that the SDK brings.

    Args:
        lanes: The MCP endpoints by their paths.
        security: The hosts and origins that requests may come by.
        ping_seconds: After so long, and as often, a caller who waits is told that his call lives, as by the SDK.
    """

    def __init__(
        self,
        app: ASGIApp,
        lanes: Mapping[str, Lane],
        verifier: Verifier,
        security: TransportSecuritySettings,
        ping_seconds: float = 15.0,
    ) -> None:
        self._app = app
        self._lanes = lanes
        self._verifier = verifier
        self._security = TransportSecurityMiddleware(security)
        self._ping_seconds = ping_seconds
        self._trusted: set[tuple[bytes | None, ...]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane = self._lanes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        headers = _ordinary(scope["headers"]) if lane else None
        if lane is None or headers is None or not await self._trusts(scope, headers):
            await self._app(scope, receive, send)
            return
        message = await _whole(receive)
        call = _call(message, headers)
        user = await self._user(headers) if call and call.params.name in lane.toolbox else None
        if call is None or user is None:
            await self._app(scope, _again(message, receive), send)
            return
        await _serve(lambda: lane.answer(call), user, self._ping_seconds, receive, send)

    async def _trusts(self, scope: Scope, headers: Headers) -> bool:
        """Whether the SDK lets the host, the origin and the type of content through."""
        asked = headers[b"host"], headers.get(b"origin"), headers[b"content-type"]
        if asked not in self._trusted:
            if await self._security.validate_request(Request(scope), is_post=True):
                return False
            if len(self._trusted) < 1000:
                self._trusted.add(asked)
        return True

    async def _user(self, headers: Headers) -> AuthenticatedUser | None:
        kind, _, token = headers[b"authorization"].decode("latin-1").partition(" ")
        try:
            access = await self._verifier.verify_token(token) if kind.lower() == "bearer" else None
        except RigError:
            return None
        return AuthenticatedUser(access) if access else None


def _ordinary(raw: list[tuple[bytes, bytes]]) -> Headers | None:
    """The headers of an ordinary tool call, each of which comes once."""
    headers = dict(raw)
    ordinary = (
        len(headers) == len(raw)
        and all(headers.get(name) == value for name, value in _ROUTING)
        and all(name in headers for name in _ONCE)
        and b"application/json" in headers[b"accept"]
        and b"text/event-stream" in headers[b"accept"]
        and b"q=" not in headers[b"accept"]
        and headers[b"content-length"].isdigit()
        and int(headers[b"content-length"]) <= MOST_BYTES
        and not any(name.startswith(b"mcp-param-") for name in headers)
    )
    return headers if ordinary else None


async def _whole(receive: Receive) -> Message:
    """The request in one message; a sender that hung up, or sends more than was announced, is taken to be gone."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request" or len(body) > MOST_BYTES:
            return {"type": "http.disconnect"}
        body += message.get("body", b"")
        if not message.get("more_body"):
            return {"type": "http.request", "body": body}


def _call(message: Message, headers: Headers) -> _Call | None:
    """The call, if it is an ordinary one: it says what its headers say, and asks for nothing besides."""
    if message["type"] != "http.request":
        return None
    try:
        call = _decode(message.get("body", b""))
        msgspec.convert(call.params.meta, _Meta)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    beside = any(key.startswith(_KEY) and key not in _KNOWN for key in call.params.meta)
    if beside or "progressToken" in call.params.meta or headers.get(b"mcp-name") != call.params.name.encode():
        return None
    return call


def _again(message: Message, receive: Receive) -> Receive:
    """`receive`, with the message that was taken from it."""
    taken = [message]

    async def receiving() -> Message:
        return taken.pop() if taken else await receive()

    return receiving


async def _serve(
    answer: Callable[[], Awaitable[bytes]], user: AuthenticatedUser, ping: float, receive: Receive, send: Send
) -> None:
    """Answer in the name of `user`; the work ends when the caller hangs up."""
    token = auth_context_var.set(user)
    try:
        working = asyncio.ensure_future(answer())
    finally:
        auth_context_var.reset(token)
    try:
        await asyncio.wait((working,), timeout=PROMPT_SECONDS)
        streams = not working.done() and await _attend(working, ping, receive, send)
    except ClientDisconnect:
        return
    finally:
        working.cancel()  # which does nothing to work that is done
        await asyncio.wait((working,))
    body = working.result()
    if streams:
        await send({"type": "http.response.body", "body": b"event: message\r\ndata: %b\r\n\r\n" % body})
        return
    head = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _attend(working: asyncio.Future[bytes], ping: float, receive: Receive, send: Send) -> bool:
    """Wait for the work; whether a stream was begun to keep the connection alive.

    Raises:
        ClientDisconnect: The caller hung up.
    """
    hung_up = cast(asyncio.Future[Message], asyncio.ensure_future(receive()))
    streams = False
    try:
        while True:
            waiting = asyncio.wait((working, hung_up), timeout=ping, return_when=asyncio.FIRST_COMPLETED)
            done, _ = await waiting
            if working in done:
                return streams
            if hung_up in done:
                raise ClientDisconnect
            if not streams:
                await send({"type": "http.response.start", "status": 200, "headers": list(_STREAM)})
            streams = True
            await send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})
    finally:
        hung_up.cancel()
