"""A caller of MCP tools that costs next to nothing, so that what is measured is the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

PROTOCOL = "2026-07-28"
_PREFIX = "io.modelcontextprotocol"


class ToolCaller:
    """One kept connection; each request is what the SDK's client sends (protocol 2026-07-28)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._path = urlsplit(url).path
        self._host = urlsplit(url).netloc
        self._token = token

    async def call(self, tool: str, arguments: dict[str, Any], meta: dict[str, Any]) -> Any:
        """What `tool` answers as structure.

        Raises:
            RuntimeError: The server refused.
        """
        self._writer.write(self._request(tool, arguments, meta))
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = msgspec.json.decode(await self._reader.readexactly(int(length.partition(b":")[2])))
        if not head.startswith(b"HTTP/1.1 200") or answer["result"]["isError"]:
            raise RuntimeError(f"{tool}: {head.splitlines()[0]!r} {answer}")
        return answer["result"]["structuredContent"]

    def _request(self, tool: str, arguments: dict[str, Any], meta: dict[str, Any]) -> bytes:
        about = {
            "rig/request_id": uuid4().hex,
            f"{_PREFIX}/protocolVersion": PROTOCOL,
            f"{_PREFIX}/clientInfo": {"name": "bench", "version": "1"},
            f"{_PREFIX}/clientCapabilities": {},
        }
        params = {"_meta": about | meta, "name": tool, "arguments": arguments}
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {self._token}\r\n"
            "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
            f"MCP-Protocol-Version: {PROTOCOL}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@asynccontextmanager
async def tool_caller(url: str, token: str = "") -> AsyncGenerator[ToolCaller]:
    """A caller of the server at `url`, which is its whole address (`http://host:port/mcp/name`)."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield ToolCaller(reader, writer, url, token)
    finally:
        writer.close()
