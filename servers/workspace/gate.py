"""The only way out of a sandbox with network: an HTTP proxy that connects to the allowed hosts and no others."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import secrets
import socket
import tempfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HEAD_BYTES = 16 * 1024
CONNECT_SECONDS = 20
PIECE = 64 * 1024
WEB = (80, 443)


@dataclass(frozen=True)
class Door:
    """Where a gate is reached: a socket to mount into the sandbox, or a port of the host with a password."""

    socket: Path | None = None
    port: int = 0
    password: str = ""


@dataclass(frozen=True)
class Allowed:
    """The hosts that may be reached.

    Attributes:
        hosts: As `host`, `*.host` or `host:port`; without a port the web's. Only addresses of the public internet.
        trusted: The same, said by who runs the machine: addresses of its own networks too.
    """

    hosts: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()

    def permits(self, host: str, port: int) -> bool:
        """Whether a host and port are on one of the lists."""
        return any(_matches(one, host, port) for one in (*self.hosts, *self.trusted))

    def trusts(self, host: str, port: int) -> bool:
        """Whether who runs the machine said so."""
        return any(_matches(one, host, port) for one in self.trusted)


def _matches(entry: str, host: str, port: int) -> bool:
    name, colon, wanted = entry.lower().rpartition(":")
    name, ports = (name, (int(wanted),)) if colon and wanted.isdigit() else (entry.lower(), WEB)
    host = host.lower().rstrip(".")
    fits = host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name
    return fits and port in ports


class Refusal(Exception):
    """What the gate does not do, with the status of HTTP for it."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@asynccontextmanager
async def gate(allowed: Allowed, *, by_port: bool) -> AsyncGenerator[Door]:
    """Open a gate for one command."""
    with tempfile.TemporaryDirectory(prefix="rig-gate-") as folder:
        password = secrets.token_urlsafe(24) if by_port else ""
        keeper = _Keeper(allowed, password)
        if by_port:
            server = await asyncio.start_server(keeper.serve, "127.0.0.1", 0, limit=HEAD_BYTES)
            door = Door(port=server.sockets[0].getsockname()[1], password=password)
        else:
            door = Door(socket=Path(folder) / "gate")
            server = await asyncio.start_unix_server(keeper.serve, door.socket, limit=HEAD_BYTES)
        try:
            yield door
        finally:
            server.close()
            keeper.close()


class _Keeper:
    def __init__(self, allowed: Allowed, password: str) -> None:
        self._allowed, self._password = allowed, password
        self._tasks: set[asyncio.Future[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.ensure_future(self._served(reader, writer))
        self._tasks.add(serving)
        try:
            await serving
        except Refusal as refusal:
            writer.write(f"HTTP/1.1 {refusal.status}\r\nConnection: close\r\n\r\n{refusal}\n".encode())
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n")
        finally:
            self._tasks.discard(serving)
            with suppress(OSError):
                writer.close()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *headers = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ", 2)
        self._require_password(headers)
        host, port, path = _aim(method, target)
        upstream_reader, upstream = await self._connect(host, port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                kept = [h for h in headers if not h.lower().startswith(("proxy-", "connection:"))]
                lines = [f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]
                upstream.write("\r\n".join(lines).encode("latin-1"))
            await _both_ways(reader, writer, upstream_reader, upstream)
        finally:
            upstream.close()

    def _require_password(self, headers: Iterable[str]) -> None:
        if not self._password:
            return
        wanted = "basic " + base64.b64encode(f"rig:{self._password}".encode()).decode()
        given = next(
            (h.partition(":")[2].strip() for h in headers if h.lower().startswith("proxy-authorization:")), ""
        )
        given = given[:6].lower() + given[6:]
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Refusal("407 Proxy Authentication Required", "This gate is another command's.")

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._allowed.permits(host, port):
            reason = f"The sandbox may not reach {host}:{port}; policy.network of .rig-agent.yaml names what it may."
            raise Refusal("403 Forbidden", reason)
        async with asyncio.timeout(CONNECT_SECONDS):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(one[4][0]) for one in found]
            # A public name may point into the machine's own network, to its metadata service or to the rig itself.
            if not self._allowed.trusts(host, port):
                addresses = [one for one in addresses if ipaddress.ip_address(one.partition("%")[0]).is_global]
            if not addresses:
                raise Refusal("403 Forbidden", f"{host} is no host of the public internet.")
            return await asyncio.open_connection(addresses[0], port)


def _aim(method: str, target: str) -> tuple[str, int, str]:
    if method == "CONNECT":
        parts = urlsplit(f"//{target}")
        return parts.hostname or "", parts.port or 443, ""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise Refusal("400 Bad Request", "This is a proxy for http, and for https by CONNECT.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, parts.port or 80, path


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream: asyncio.StreamWriter,
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_pipe(reader, upstream))
        group.create_task(_pipe(upstream_reader, writer))


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(PIECE):
            sink.write(piece)
            await sink.drain()
        sink.write_eof()
