"""Starts agent processes: as forks of one that has imported everything, or each by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from servers.kit.logs import get

log = get(__name__)
PROGRAM = (sys.executable, "-P", "-m", "rig", "agent", "run")
NURSERY = (sys.executable, "-P", "-m", "rig.embedded.nursery")
ORDER = b"fork"
MESSAGE_BYTES = 1024


class Child(Protocol):
    """An agent's process, as asyncio shows its own subprocesses."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def send_signal(self, signal: int, /) -> None: ...


Environment = Mapping[str, str]
Start = Callable[[Path, Environment], Awaitable[Child]]


async def spawn(character: Path, environment: Environment, program: tuple[str, ...] = PROGRAM) -> Child:
    """Start an agent that sees the given environment and no other."""
    return await asyncio.create_subprocess_exec(
        *program,
        str(character),
        stdin=subprocess.PIPE,  # its end tells an agent that the rig is gone
        env=environment,
        process_group=0,
    )


@asynccontextmanager
async def nursery(environment: Environment) -> AsyncGenerator[Start]:
    """The quickest way to start agents on this system.

    Args:
        environment: What the process that they are forked from sees, and so what every agent may know.
    """
    if sys.platform != "linux":  # elsewhere the system's own libraries do not survive a fork
        yield spawn
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *NURSERY, stdin=theirs.fileno(), env=environment, process_group=0
            )
        forks = Forks(ours)
        try:
            yield forks.start
        finally:
            forks.close()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Fork:
    """An agent that was forked elsewhere.

    Args:
        life: The write end of the pipe that it reads; its end tells it that the rig is gone.
    """

    def __init__(self, pid: int, life: int) -> None:
        self.pid = pid
        self._life = life
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, signal: int, /) -> None:
        if not self._ended.done():
            os.kill(self.pid, signal)

    def tell(self, order: bytes) -> None:
        """Write to its standard input."""
        if self._ended.done():
            raise BrokenPipeError("It has ended.")
        os.write(self._life, order)

    def end(self, code: int) -> None:
        """It has ended."""
        os.close(self._life)
        self._ended.set_result(code)


class Forks:
    """Has agents forked by the process at the other end of `channel`; once that is gone, they start by themselves."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lost = False
        self._asked: deque[tuple[int, asyncio.Future[Fork]]] = deque()
        self._children: dict[int, Fork] = {}
        channel.setblocking(False)
        asyncio.get_running_loop().add_reader(channel, self._hear)

    async def start(self, character: Path, environment: Environment) -> Child:
        """Start an agent that acts on the given environment and no other."""
        order = {"character": str(character), "environment": dict(environment)}
        try:
            return await self._fork(json.dumps(order).encode() + b"\n")
        except OSError as error:
            log.warning("an agent cannot be forked and starts by itself", error=str(error))
            return await spawn(character, environment)

    async def _fork(self, order: bytes) -> Fork:
        if self._lost:
            raise ConnectionResetError("The nursery is gone.")
        born: asyncio.Future[Fork] = asyncio.get_running_loop().create_future()
        reading, life = os.pipe()
        try:
            socket.send_fds(self._channel, [ORDER], [reading])
        except OSError:
            os.close(life)
            raise
        finally:
            os.close(reading)
        self._asked.append((life, born))
        fork = await born
        fork.tell(order)
        return fork

    def close(self) -> None:
        """Hear no more, and end whoever is left."""
        if not self._lost:
            self._lost = True
            asyncio.get_running_loop().remove_reader(self._channel)
            for pid, fork in self._children.items():
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                fork.end(-signal.SIGKILL)
            for life, born in self._asked:
                _refuse(life, born)

    def _hear(self) -> None:
        try:
            said = self._channel.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            log.warning("the process that agents are forked from is gone")
            self.close()
            return
        self._take(json.loads(said))

    def _take(self, said: Mapping[str, Any]) -> None:
        if "ended" in said:
            self._children.pop(said["ended"]).end(said["code"])
            return
        life, born = self._asked.popleft()
        if said["born"] is None:
            _refuse(life, born)
            return
        fork = self._children[said["born"]] = Fork(said["born"], life)
        if born.cancelled():
            fork.send_signal(signal.SIGKILL)
        else:
            born.set_result(fork)


def _refuse(life: int, born: asyncio.Future[Fork]) -> None:
    os.close(life)
    if not born.done():
        born.set_exception(BlockingIOError("There is no fork."))
