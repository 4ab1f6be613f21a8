"""A provider's program: started with little, read line by line, and gone with whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from servers.kit.errors import Unavailable
from servers.kit.logs import redact

LONGEST_LINE = 32 * 1024 * 1024
CHUNK = 256 * 1024
SAID = 40
GRACE_SECONDS = 0.7
INHERITED = (
    *("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)
# A second process of the group waits for the end of standard input, which the agent alone holds open. When the agent
# goes, in whatever way, that kills the whole group; it takes no signal, and no system but POSIX.
LEASH = 'exec 3<&0; (read -r _; kill -KILL 0) <&3 >/dev/null 2>&1 & words=$1; shift; exec "$@" <"$words" 3<&-'


class Program:
    """A running program with everything that it started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: deque[str] = deque(maxlen=SAID)
        self._listening = asyncio.create_task(self._listen())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def complaint(self) -> str:
        """The last lines of its standard error."""
        return redact("\n".join(self._said)).strip()

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of its standard output until that ends; one that is too long is left out."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        async for line in split(self._process.stdout):
            yield line

    async def ended(self) -> int:
        """Its exit code, once it has one."""
        code = await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await asyncio.shield(self._listening)
        return code

    async def end(self) -> None:
        """End it and all that it started."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        self._listening.cancel()
        await asyncio.gather(self._process.wait(), self._listening, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was asked for
        async for line in split(self._process.stderr):
            self._said.append(line.decode(errors="replace")[:1000])


@asynccontextmanager
async def running(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: Path
) -> AsyncGenerator[Program]:
    """A program in a process group of its own, for as long as the block lasts and we live.

    Args:
        environment: What it sees beside a few harmless variables of ours.
        stdin: File that it reads.

    Raises:
        Unavailable: It cannot be started.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", LEASH, "sh", str(stdin), *argv),
            cwd=folder,
            env={**inherited, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]} does not start ({error}).") from error
    program = Program(process)
    try:
        yield program
    finally:
        await program.end()


async def split(stream: asyncio.StreamReader, longest: int = LONGEST_LINE) -> AsyncIterator[bytes]:
    """The lines of a stream, without their ends; one that is longer than `longest` bytes is left out."""
    rest, skipping = bytearray(), False
    while chunk := await stream.read(CHUNK):
        *whole, last = chunk.split(b"\n")
        for part in whole:
            rest += part
            if not skipping and len(rest) <= longest:
                yield bytes(rest)
            rest, skipping = bytearray(), False
        rest += last
        if len(rest) > longest:
            rest, skipping = bytearray(), True
    if rest and not skipping:
        yield bytes(rest)
