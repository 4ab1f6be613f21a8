"""Runs a program in the sandbox, reads what it says within bounds, and ends all that it started."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from servers.kit.errors import InvalidInput, Unavailable
from servers.workspace.sandbox import Order, Running, Sandbox
from servers.workspace.watch import Watch

STREAM_BYTES = 64 * 1024
DRAIN_SECONDS = 0.5
END_SECONDS = 5.0
TIMED_OUT = 124  # what timeout(1) answers
KILLED = 128 + 9


@dataclass(frozen=True)
class Finished:
    """How a program ended; the streams are cut in the middle where they were longer than allowed.

    Attributes:
        exceeded: Which limit it was ended for; empty for none.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool
    seconds: float
    exceeded: str = ""


class Child:
    """A child process of ours, and how to end it with all below it."""

    def __init__(self, process: asyncio.subprocess.Process, out: int, err: int, end: Callable[[int], None]) -> None:
        self.pid, self.out, self.err = process.pid, out, err
        self._process, self._end = process, end

    async def wait(self) -> int:
        return await self._process.wait()

    def kill(self) -> None:
        if self._process.returncode is None:
            self._end(self.pid)


async def spawn(argv: Sequence[str], folder: Path, env: Mapping[str, str], end: Callable[[int], None]) -> Child:
    """Start a program in a session of its own, with nothing to read and only the given environment.

    Args:
        end: Ends the process of that id and whatever is below it.

    Raises:
        InvalidInput: The command is too long or contains NUL.
        Unavailable: The program cannot be started.
    """
    (out, out_write), (err, err_write) = os.pipe(), os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out_write,
            stderr=err_write,
            start_new_session=True,
        )
    except BaseException as error:
        os.close(out)
        os.close(err)
        if isinstance(error, ValueError):
            raise InvalidInput(f"The command cannot be started ({error}).") from error
        if isinstance(error, OSError):
            raise Unavailable(f"{argv[0]} cannot be started ({error.strerror}).") from error
        raise
    finally:
        os.close(out_write)
        os.close(err_write)
    return Child(process, out, err, end)


async def run(sandbox: Sandbox, order: Order, timeout: float, stream_bytes: int = STREAM_BYTES) -> Finished:
    """Run a program to its end, to `timeout` seconds or to a limit; what it left running ends with it.

    Raises:
        InvalidInput: The command is too long or contains NUL.
        Unavailable: The program cannot be started.
    """
    began = time.monotonic()
    running = await sandbox.start(order)
    said, complained = os.fdopen(running.out, "rb", 0), os.fdopen(running.err, "rb", 0)
    try:
        async with _reader(said, stream_bytes) as out, _reader(complained, stream_bytes) as err:
            code, why = await _attend(running, Watch(order, running), timeout)
            # Whoever inherited the pipes is gone; what they wrote before may still be on its way.
            await asyncio.wait([out.done, err.done], timeout=DRAIN_SECONDS)
    except BaseException:
        running.kill()  # whom nobody may have attended to yet
        raise
    return Finished(
        exit_code=TIMED_OUT if why is None else KILLED if why else code if code >= 0 else 128 - code,
        stdout=out.text(),
        stderr=err.text(),
        truncated=out.truncated or err.truncated,
        timed_out=why is None,
        seconds=round(time.monotonic() - began, 3),
        exceeded=why or "",
    )


async def _attend(running: Running, watch: Watch, timeout: float) -> tuple[int, str | None]:
    """The exit code, and why the program was ended: empty if it ended by itself, None for the timeout."""
    ending = asyncio.ensure_future(running.wait())
    watching = asyncio.ensure_future(watch.until_exceeded())
    try:
        done, _ = await asyncio.wait([ending, watching], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if ending in done:
            return ending.result(), ""
        return 0, watching.result() if watching in done else None
    finally:
        watching.cancel()
        running.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await asyncio.shield(ending)


class _Reader(asyncio.Protocol):
    """Keeps the head and the tail of what a program writes."""

    def __init__(self, limit: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._half = limit // 2
        self._head, self._tail, self._dropped = bytearray(), bytearray(), 0

    @property
    def truncated(self) -> bool:
        return self._dropped > 0

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
async def _reader(pipe: IO[bytes], limit: int) -> AsyncGenerator[_Reader]:
    reader = _Reader(limit)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: reader, pipe)
    try:
        yield reader
    finally:
        transport.close()
