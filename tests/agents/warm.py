"""Programs of the rig that begin with their libraries loaded: each is forked from a process that has them.

Starting one afresh takes seconds of CPU, nearly all of it for importing. It has arguments, environment, folder and
streams of its own, and is killed and told to leave like any other.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from servers.kit.character import Character

ROOT = Path(__file__).parents[2]
PROXY = Path(__file__).with_name("warm_proxy.py")


@dataclass(frozen=True)
class Warm:
    """Where the process listens from which others are forked."""

    address: str

    def at_hand(self, character: Character) -> Character:
        """The character with its workspace server forked instead of started."""
        known = character.mcp_servers.get("workspace")
        if known is None:
            return character
        command = {"command": sys.executable, "args": ["-IS", str(PROXY), self.address, "servers.workspace"]}
        servers = character.mcp_servers | {"workspace": known.model_copy(update=command)}
        return character.model_copy(update={"mcp_servers": servers})

    async def start(self, module: str, arguments: Sequence[str], env: Mapping[str, str], stderr: int) -> WarmProcess:
        """Run `python -m module` with `arguments`, and with a pipe for its standard input."""
        order = json.dumps({"argv": [module, *arguments], "cwd": str(ROOT), "env": dict(env)})
        theirs, ours = os.pipe()
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(self.address)
            socket.send_fds(sock, [order.encode()], [theirs, stderr, stderr])
        finally:
            os.close(theirs)
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return WarmProcess(int(await reader.readline()), os.fdopen(ours, "wb"), reader, writer)


class WarmProcess:
    """A running program, as `asyncio.subprocess` has it."""

    def __init__(self, pid: int, stdin: BinaryIO, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.stdin = stdin
        self.returncode: int | None = None
        self._writer = writer
        self._ended = asyncio.create_task(self._end(reader))

    async def wait(self) -> int:
        """Its exit code, once it ended."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def _end(self, reader: asyncio.StreamReader) -> int:
        self.returncode = int(await reader.readline())
        self._writer.close()
        return self.returncode


@contextmanager
def warmed() -> Generator[Warm]:
    """The process from which others are forked, for as long as it is wanted."""
    with tempfile.TemporaryDirectory(prefix="rig-warm-") as folder:
        address = str(Path(folder) / "socket")
        command = [sys.executable, "-m", "tests.agents.warm_source", address]
        source = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert source.stdout
            assert source.stdout.readline() == b"ready\n"
            yield Warm(address)
        finally:
            source.communicate()  # its standard input ends
