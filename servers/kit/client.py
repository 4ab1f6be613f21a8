"""A client of one MCP server over HTTP that survives restarts and gives back the rig's errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import uuid4

import stamina
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import HEADER_MISMATCH, CallToolRequest, CallToolRequestParams, CallToolResult, TextContent, Tool

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

PROTOCOL = "2026-07-28"
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
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        meta: Callable[[], Meta] = dict,
        attempts: int = 8,
        timeout_seconds: float = 60,
    ) -> None:
        self.url = url
        self._token = token
        self._meta = meta
        self._attempts = attempts
        self._timeout = timeout_seconds
        self._http = create_mcp_http_client()
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
        return answer_of(await self._retrying(lambda client: _call(client, tool, dict(arguments or {}), sent)))

    async def list_tools(self) -> list[Tool]:
        """The tools that the token's role may call."""
        return (await self._retrying(Client.list_tools)).tools

    async def aclose(self) -> None:
        """Close the kept-alive connections."""
        await self._http.aclose()

    async def _retrying(self, ask: Ask[T]) -> T:
        async for attempt in stamina.retry_context(
            on=Unavailable, attempts=self._attempts, timeout=None, wait_initial=0.05, wait_max=2.0
        ):
            with attempt:
                return await self._once(ask)
        raise AssertionError("unreachable")

    async def _once(self, ask: Ask[T]) -> T:
        # The SDK cancels the task that holds the client when the connection breaks: give it one of its own.
        seen = _Seen()
        call = asyncio.ensure_future(self._connected(seen, ask))
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.wait([call])
        except TimeoutError as error:
            raise Unavailable(f"{self.url} did not answer within {self._timeout:g} s.") from error
        finally:
            call.cancel()
        if call.cancelled():
            raise Unavailable(f"The connection to {self.url} broke.")
        if error := call.exception():
            raise self._meaning(seen.status, error) from error
        return call.result()

    async def _connected(self, seen: _Seen, ask: Ask[T]) -> T:
        _SEEN.set(seen)
        if token := self._token():
            self._http.headers["Authorization"] = f"Bearer {token}"
        transport = streamable_http_client(self.url, http_client=self._http, terminate_on_close=False)
        async with Client(transport, mode=PROTOCOL, cache=None) as client:
            return await ask(client)

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


async def _call(client: Client, tool: str, arguments: dict[str, Any], meta: Meta) -> CallToolResult:
    # Client.call_tool would list the tools again in each of our short sessions, to check what the server has checked.
    params = CallToolRequestParams.model_validate({"name": tool, "arguments": arguments, "_meta": meta})
    try:
        return await client.session.send_request(CallToolRequest(params=params), CallToolResult)
    except MCPError as error:
        if error.code != HEADER_MISMATCH:  # only a server that wants arguments as headers has to be listed first
            raise
        return await client.call_tool(tool, arguments, meta=cast(Any, meta))


@dataclass
class _Seen:
    """The last HTTP status that one call met; the SDK does not tell."""

    status: int = 0


_SEEN: ContextVar[_Seen] = ContextVar("seen")


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
