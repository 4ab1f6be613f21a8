"""Starts a program beside the server, reads what it says within bounds, and ends all that it started."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from servers.kit.errors import InvalidInput, Unavailable

STREAM_BYTES = 64 * 1024
DRAIN_SECONDS = 0.5
TIMED_OUT = 124  # what timeout(1) answers


@dataclass(frozen=True)
class Finished:
    """How a program ended; the streams are cut in the middle where they were longer than allowed."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool
    seconds: float


async def start(
    argv: Sequence[str], folder: Path, env: Mapping[str, str], stdout: int, stderr: int
) -> asyncio.subprocess.Process:
    """Start a program in a session of its own, with nothing to read and only the given environment."""
    return await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


async def run(
    argv: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    timeout: float,
    stream_bytes: int = STREAM_BYTES,
) -> Finished:
    """Run a program to its end or to `timeout` seconds; what it left running ends with it.

    Raises:
        InvalidInput: The command is too long or contains NUL.
        Unavailable: The program cannot be started.
    """
    began, timed_out = time.monotonic(), False
    async with _pipe(stream_bytes) as out, _pipe(stream_bytes) as err:
        process = await _started(argv, folder, env, out, err)
        try:
            async with asyncio.timeout(timeout):
                await process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            _end(process)
        await process.wait()
        # A child that left the process group may hold the pipes open: what it says later is not waited for.
        await asyncio.wait([out.done, err.done], timeout=DRAIN_SECONDS)
    code = process.returncode or 0
    return Finished(
        exit_code=TIMED_OUT if timed_out else code if code >= 0 else 128 - code,
        stdout=out.text(),
        stderr=err.text(),
        truncated=out.truncated or err.truncated,
        timed_out=timed_out,
        seconds=round(time.monotonic() - began, 3),
    )


async def _started(
    argv: Sequence[str], folder: Path, env: Mapping[str, str], out: _Pipe, err: _Pipe
) -> asyncio.subprocess.Process:
    try:
        return await start(argv, folder, env, out.write_end, err.write_end)
    except ValueError as error:
        raise InvalidInput(f"The command cannot be started ({error}).") from error
    except OSError as error:
        raise Unavailable(f"{argv[0]} cannot be started ({error.strerror}).") from error
    finally:
        out.close_write_end()
        err.close_write_end()


def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class _Pipe(asyncio.Protocol):
    """Keeps the head and the tail of what a program writes."""

    def __init__(self, limit: int) -> None:
        self.read_end, self.write_end = os.pipe()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._half = limit // 2
        self._head, self._tail, self._dropped = bytearray(), bytearray(), 0

    @property
    def truncated(self) -> bool:
        return self._dropped > 0

    def close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def data_received(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        surplus = len(self._tail) - self._half
        if surplus > 0:
            self._dropped += surplus
            del self._tail[:surplus]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def text(self) -> bytes:
        note = b"\n[... %d bytes left out ...]\n" % self._dropped if self._dropped else b""
        return bytes(self._head) + note + bytes(self._tail)


@asynccontextmanager
async def _pipe(limit: int) -> AsyncGenerator[_Pipe]:
    pipe = _Pipe(limit)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: pipe, os.fdopen(pipe.read_end, "rb", 0))
    try:
        yield pipe
    finally:
        transport.close()
        pipe.close_write_end()
