"""Confines commands by Landlock and seccomp, with sandlock: where namespaces are not to be had."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import IO, Any

from servers.kit.errors import InvalidInput, Unavailable
from servers.workspace import leash
from servers.workspace.children import family
from servers.workspace.gate import Door
from servers.workspace.sandbox import Order, Private, limited, proxied
from servers.workspace.sandbox_view import system

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
KERNEL = ("/proc",)
LONGEST = 128 * 1024  # of one argument, on Linux
MANY = 100_000
OWN_PROCESSES = 1  # of the leash
TELLING = Lock()


class Sandlock:
    """The machine's own root, of which only the allowed parts may be opened, and its own processes to signal."""

    name = "sandlock"
    by_port = True

    def check(self) -> None:
        with tempfile.TemporaryDirectory(prefix="rig-check-") as folder:
            root = Path(folder).resolve()
            private = Private(root / "private")
            private.make()
            order = Order(["true"], root, root, private, {})
            begun = _begin(order, order.argv)
            try:
                code = [*begun.status.read().split(), b""][1]
                if code != b"0":
                    said = os.read(begun.err, 300).decode(errors="replace")
                    raise Unavailable(f"it does not start ({said or 'it says nothing'})")
            finally:
                begun.close()

    async def start(self, order: Order) -> Locked:
        argv = limited(order, order.argv, processes=False)
        if any(len(os.fsencode(one)) >= LONGEST for one in argv) or not order.folder.is_dir():
            raise InvalidInput("The command is too long, or its folder is gone.")
        begun = await _begun(order, argv)
        status = asyncio.StreamReader()
        try:
            pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(status), begun.status
            )
            pid = int(await status.readline() or 0)
        except BaseException:
            begun.close()
            raise
        return Locked(pid, begun.out, begun.err, status, pipe)


class Locked:
    """A command, by the process that sandlock watches it from."""

    def __init__(
        self, pid: int, out: int, err: int, status: asyncio.StreamReader, pipe: asyncio.ReadTransport
    ) -> None:
        self.pid, self.out, self.err = pid, out, err
        self._status, self._pipe = status, pipe

    async def wait(self) -> int:
        try:
            return int(await self._status.readline() or leash.KILLED)
        finally:
            self._pipe.close()

    def kill(self) -> None:
        if not self._status.at_eof() and self.pid:
            _end(self.pid)


@dataclass(frozen=True)
class Begun:
    """A command that begins; descriptors of what it says, and what is said about it."""

    out: int
    err: int
    status: IO[bytes]

    def close(self) -> None:
        """Have it end, and hear nothing more of it."""
        self.status.close()
        os.close(self.out)
        os.close(self.err)


async def _begun(order: Order, argv: Sequence[str]) -> Begun:
    """Give an order beside the loop; a command that is cancelled meanwhile ends when it begins."""
    beginning = asyncio.ensure_future(asyncio.to_thread(_begin, order, argv))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        beginning.add_done_callback(_close)
        raise


def _close(beginning: asyncio.Future[Begun]) -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        beginning.result().close()


def _begin(order: Order, argv: Sequence[str]) -> Begun:
    """Give an order.

    Raises:
        Unavailable: There is nobody to take it.
    """
    pipes = [os.pipe() for _ in range(3)]
    told = os.memfd_create("order")  # where one of any length is written at once
    try:
        os.pwrite(told, json.dumps({"argv": list(argv), "sandbox": _confined(order)}).encode(), 0)
        _tell([told, *(write for _, write in pipes)])
    except BaseException:
        for read, _ in pipes:
            os.close(read)
        raise
    finally:
        for fd in (told, *(write for _, write in pipes)):
            os.close(fd)
    out, err, status = (read for read, _ in pipes)
    return Begun(out, err, os.fdopen(status, "rb", 0))


def _tell(fds: Sequence[int]) -> None:
    with TELLING:
        try:
            socket.send_fds(_keeper(os.getpid()), [b"."], fds)
        except OSError:  # it was killed
            _keeper.cache_clear()
            try:
                socket.send_fds(_keeper(os.getpid()), [b"."], fds)
            except OSError as error:
                raise Unavailable(f"it does not start ({error})") from error


@cache
def _keeper(server: int) -> socket.socket:
    """Starts the process that commands are forked from; where it takes orders."""
    found = find_spec("sandlock")
    if found is None or found.origin is None:
        raise Unavailable("it is not installed")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [sys.executable, "-I", "-S", leash.__file__, str(server), str(theirs.fileno())]
    with theirs:
        subprocess.Popen(  # noqa: S603
            [*argv, str(Path(found.origin).parents[1])],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours


def _confined(order: Order) -> dict[str, Any]:
    """What sandlock's `Sandbox` is made of."""
    private = order.private
    writable = [order.root, private.home, private.tmp]
    return {
        "fs_readable": _present([*map(str, [*system(), *order.readable]), *DEVICES, *KERNEL]),
        "fs_writable": [*map(str, writable), *_present(list(DEVICES))],
        "clean_env": True,
        "env": {**order.env, "TMPDIR": str(private.tmp), **(_proxied(order.door) if order.door else {})},
        "net_allow": [f"127.0.0.1:{order.door.port}"] if order.door else [],
        "cwd": str(order.folder),
        "max_processes": order.limits.processes - OWN_PROCESSES,  # which the watch counts along
        "max_memory": order.limits.memory_bytes,
        "no_coredump": True,
    }


def _proxied(door: Door) -> dict[str, str]:
    return proxied(f"http://rig:{door.password}@127.0.0.1:{door.port}")


def _present(paths: list[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]  # noqa: PTH110 - they are strings before and after


def _end(pid: int) -> None:
    """End what was started, now, and have the leash end what begins meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    for one in family(pid, MANY)[1:]:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)
