"""A client of one MCP server over HTTP that survives restarts and gives back the rig's errors."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar, cast
from uuid import uuid4

import httpx2
import msgspec
import stamina
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import MCP_DEFAULT_SSE_READ_TIMEOUT, MCP_DEFAULT_TIMEOUT
from mcp.types import HEADER_MISMATCH, CallToolResult, TextContent, Tool
from pydantic import ValidationError

from servers.kit.errors import (
    Forbidden,
    InvalidInput,
    RigError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    from_wire,
    leaves,
)
from servers.kit.tls import trusted

PROTOCOL = "2026-07-28"
_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": PROTOCOL,
    "Mcp-Method": "tools/call",
}
_CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
_ABOUT = {
    "io.modelcontextprotocol/protocolVersion": PROTOCOL,
    "io.modelcontextprotocol/clientInfo": {"name": "rig", "version": version("engineering-rig")},
    "io.modelcontextprotocol/clientCapabilities": {},
}
Meta = Mapping[str, Any]
T = TypeVar("T")
Ask = Callable[[Client], Awaitable[T]]


class ToolClient:
    """Calls tools of the server at `url`, one short connection a call over kept-alive HTTP.

    Args:
        url: The server's Streamable HTTP endpoint, such as `http://127.0.0.1:7700/mcp/conductor`.
        token: Gives the bearer token for the next call, so that a renewed one is used at once; empty for none.
        meta: Gives the `_meta` that goes with every call.
        attempts: How often a call is made before an unreachable server is an error.
        tls: Whose certificates count; by default whom this machine trusts.
        foreign: Whether it is somebody else's server, which may know the protocol of before only.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        meta: Callable[[], Meta] = dict,
        attempts: int = 8,
        timeout_seconds: float = 60,
        tls: ssl.SSLContext | None = None,
        foreign: bool = False,
    ) -> None:
        self.url = url
        self._foreign = foreign
        self._token = token
        self._meta = meta
        self._attempts = attempts
        self._timeout = timeout_seconds
        patient = httpx2.Timeout(MCP_DEFAULT_TIMEOUT, read=MCP_DEFAULT_SSE_READ_TIMEOUT)
        self._http = httpx2.AsyncClient(timeout=patient, verify=tls or trusted())
        self._http.event_hooks = {"response": [_note_status]}

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, meta: Meta | None = None) -> Any:
        """Call `tool` and return its structured answer (its text where it has no structure).

        The same `rig/request_id` goes with every attempt, so a retried write happens once.

        Raises:
            RigError: What the server refused, as its own class; Unavailable when it cannot be reached;
                InvalidInput for arguments that are not JSON.
        """
        sent = {"rig/request_id": str(uuid4()), **self._meta(), **(meta or {})}
        _require_json(tool, arguments, sent)
        return answer_of(await self._retrying(lambda: self._called(tool, dict(arguments or {}), sent)))

    async def list_tools(self) -> list[Tool]:
        """The tools that the token's role may call."""
        return (await self._retrying(lambda: self._by_sdk(Client.list_tools))).tools

    async def aclose(self) -> None:
        """Close the kept-alive connections."""
        await self._http.aclose()

    async def _retrying(self, ask: Callable[[], Awaitable[T]]) -> T:
        async for attempt in stamina.retry_context(
            on=Unavailable, attempts=self._attempts, timeout=None, wait_initial=0.05, wait_max=2.0
        ):
            with attempt:
                return await ask()
        raise AssertionError("unreachable")

    async def _called(self, tool: str, arguments: dict[str, Any], meta: dict[str, Any]) -> CallToolResult:
        """Call a tool with the one request that it takes; the SDK's client opens a session, ten times the work.

        What is not a plain answer the SDK asks for again: arguments as headers, or questions to the caller.
        """
        if self._foreign:
            return await self._by_sdk(lambda client: client.call_tool(tool, arguments, meta=cast(Any, meta)))
        headers = {**_HEADERS, "Mcp-Name": tool, **self._authorization()}
        body = _CALL | {"params": {"name": tool, "arguments": arguments, "_meta": _ABOUT | meta}}
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._http.post(self.url, content=msgspec.json.encode(body), headers=headers)
        except TimeoutError as error:
            raise self._silent() from error
        except httpx2.HTTPError as error:
            raise self._meaning(0, error) from error
        reply = _reply(response)
        result, error = _object(reply.get("result")), _object(reply.get("error"))
        if result and result.get("resultType", "complete") == "complete":
            return self._valid(result)
        if result or error.get("code") == HEADER_MISMATCH:
            return await self._by_sdk(lambda client: client.call_tool(tool, arguments, meta=cast(Any, meta)))
        said = str(error.get("message") or f"HTTP {response.status_code}")
        raise self._meaning(response.status_code, RuntimeError(said))

    def _valid(self, result: dict[str, Any]) -> CallToolResult:
        try:
            return CallToolResult.model_validate(result)
        except ValidationError as error:
            raise self._meaning(0, error) from error

    async def _by_sdk(self, ask: Ask[T]) -> T:
        # The SDK cancels the task that holds the client when the connection breaks: give it one of its own.
        seen = _Seen()
        call = asyncio.ensure_future(self._connected(seen, ask))
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.wait([call])
        except TimeoutError as error:
            raise self._silent() from error
        finally:
            call.cancel()
        if call.cancelled():
            raise Unavailable(f"The connection to {self.url} broke.")
        if error := call.exception():
            raise self._meaning(seen.status, error) from error
        return call.result()

    async def _connected(self, seen: _Seen, ask: Ask[T]) -> T:
        _SEEN.set(seen)
        self._http.headers.update(self._authorization())
        # A server of before keeps a session for every connection, until it is told to forget it.
        transport = streamable_http_client(self.url, http_client=self._http, terminate_on_close=self._foreign)
        async with Client(transport, mode="auto" if self._foreign else PROTOCOL, cache=None) as client:
            return await ask(client)

    def _authorization(self) -> dict[str, str]:
        token = self._token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _silent(self) -> Unavailable:
        return Unavailable(f"{self.url} did not answer within {self._timeout:g} s.")

    def _meaning(self, status: int, error: BaseException) -> RigError:
        text = "; ".join(str(leaf) or type(leaf).__name__ for leaf in leaves(error))
        match status:
            case 401:
                return Unauthenticated(f"{self.url} does not accept the token. Get one with `rig token issue`.")
            case 403:
                return Forbidden(f"{self.url} does not admit this caller.")
            case 413:
                return TooLarge(f"The arguments are larger than {self.url} takes.")
            case 400 | 405 | 406 | 415 | 421:
                return InvalidInput(f"{self.url} does not take the request (HTTP {status}: {text}).")
            case _:
                return Unavailable(f"{self.url} cannot be reached ({text}).")


def _reply(response: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC response in an answer, which may come as a stream that was kept alive; empty if there is none."""
    kind = response.headers.get("content-type", "").partition(";")[0]
    lines = response.content.splitlines() if kind == "text/event-stream" else [b"data:" + response.content]
    for line in reversed(lines):
        if line.startswith(b"data:"):
            try:
                message = _object(json.loads(line.removeprefix(b"data:")))
            except (ValueError, RecursionError):
                continue
            if _object(message.get("result")) or _object(message.get("error")):
                return message
    return {}


@dataclass
class _Seen:
    """The last HTTP status that one call met; the SDK does not tell."""

    status: int = 0


_SEEN: ContextVar[_Seen] = ContextVar("seen")


def _object(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


async def _note_status(response: Any) -> None:
    _SEEN.get(_Seen()).status = response.status_code


def _require_json(tool: str, *parts: object) -> None:
    try:
        json.dumps(parts, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The arguments of {tool} are not JSON ({error}).") from error


def answer_of(result: CallToolResult) -> Any:
    """The structured answer of a tool, its text where it has no structure.

    Raises:
        RigError: What the server refused, as its own class.
    """
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise from_wire(text)
    return result.structured_content if result.structured_content is not None else text


@asynccontextmanager
async def tool_client(url: str, token: Callable[[], str], **options: Any) -> AsyncGenerator[ToolClient]:
    """A `ToolClient` that is closed at the end."""
    client = ToolClient(url, token, **options)
    try:
        yield client
    finally:
        await client.aclose()
