"""A Valkey of one's own on a unix socket, which may be killed, frozen and started again empty."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from servers.kit.wake_valkey import AWAY, open_valkey

START_SECONDS = 15.0


@dataclass
class Valkey:
    """A server that keeps nothing on disk.

    Attributes:
        options: Further command line options, such as a password.
    """

    program: str
    folder: Path
    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Redis]:
        async with open_valkey(self.url, seconds=START_SECONDS) as client:
            yield client

    async def start(self) -> None:
        """Start, empty, and wait until it answers."""
        command = [self.program, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir"]
        command += [str(self.folder), *self.options]
        self._process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.DEVNULL)
        async with asyncio.timeout(START_SECONDS), self.client() as client:
            while True:
                try:
                    await client.ping()  # pyright: ignore[reportUnknownMemberType]
                except AWAY:
                    await asyncio.sleep(0.01)
                else:
                    return

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def freeze(self) -> None:
        """Let it hang: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@asynccontextmanager
async def running(program: str, *options: str) -> AsyncGenerator[Valkey]:
    """A server for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:  # a socket's path has at most about 100 letters
        valkey = Valkey(program, Path(folder), options)
        await valkey.start()
        try:
            yield valkey
        finally:
            await valkey.kill()


@pytest.fixture
async def valkey(need: Callable[..., str]) -> AsyncGenerator[Valkey]:
    """A fresh Valkey; skipped with a reason where this machine has none, and failing in CI."""
    async with running(need("valkey-server", "redis-server")) as started:
        yield started
