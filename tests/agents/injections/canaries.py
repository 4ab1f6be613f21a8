"""Secrets that are watched in whatever dress they come, and listeners that nobody may reach."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import socket
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SPACE: Final = re.compile(r"\\[nrt]|\s")


def fresh(name: str) -> str:
    """A secret that looks like none that a redactor knows."""
    return f"canary-{name}-{secrets.token_hex(12)}"


def dresses(secret: str) -> set[str]:
    """What a secret looks like as it is, backwards, in hex and in the three alignments of base64."""
    raw = secret.encode()
    shifted = (base64.b64encode(b"\0" * shift + raw).decode() for shift in range(3))
    # What the neighbouring bytes decide is left out at both ends.
    return {secret, secret[::-1], raw.hex(), *(text.rstrip("=")[4:-4] for text in shifted)}


@dataclass(frozen=True)
class Watch:
    """Looks for secrets in texts."""

    secrets: Mapping[str, str]

    def seen(self, text: str) -> list[str]:
        """The names of the secrets that `text` shows."""
        bare = _SPACE.sub("", text)
        return [name for name, one in self.secrets.items() if any(d in text or d in bare for d in dresses(one))]

    def seen_in(self, texts: Iterable[str]) -> list[str]:
        return self.seen("\n\n".join(texts))


@dataclass
class Listeners:
    """Where a connection, a datagram or a message would be heard.

    Attributes:
        heard: What came; each attempt sends its name along.
        host: An address of this machine that is not its loopback, if it has one.
    """

    host: str
    heard: list[str] = field(default_factory=list[str])
    port: int = 0
    udp: int = 0
    abstract: str = field(default_factory=lambda: f"rig-canary-{secrets.token_hex(6)}")
    socket: Path = Path()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append("a connection")
        self.heard[-1] = repr(await reader.read(500))
        writer.write(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\necho welcome\n")
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: list[str]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._heard.append(repr(data))


@asynccontextmanager
async def listening(folder: Path) -> AsyncGenerator[Listeners]:
    """Listeners on every address of this machine, on two sockets of the Unix kind, and for datagrams."""
    ears = Listeners(_address())
    ears.socket = folder / "ear"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(ears.answer, "0.0.0.0", 0))
        ears.port = server.sockets[0].getsockname()[1]
        for path in (f"\0{ears.abstract}", str(ears.socket)):
            await stack.enter_async_context(await asyncio.start_unix_server(ears.answer, path))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(ears.heard), ("0.0.0.0", 0))
        stack.callback(transport.close)
        ears.udp = transport.get_extra_info("sockname")[1]
        yield ears


def _address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])
