"""Confines commands by Landlock and seccomp, with sandlock: where namespaces are not to be had."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

from servers.kit.errors import InvalidInput, Unavailable
from servers.workspace.children import family
from servers.workspace.gate import Door
from servers.workspace.sandbox import Order, limited, proxied
from servers.workspace.sandbox_view import system

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
KERNEL = ("/proc",)
LONGEST = 128 * 1024  # of one argument, on Linux
MANY = 100_000


class Sandlock:
    """The machine's own root, of which only the allowed parts may be opened, and its own processes to signal."""

    name = "sandlock"
    by_port = True

    def check(self) -> None:
        try:
            import sandlock
        except (ImportError, OSError) as error:
            raise Unavailable(f"it cannot be loaded ({error})") from error
        try:
            done = sandlock.Sandbox(fs_readable=_present(list(map(str, system()))), clean_env=True).run(
                ["true"], timeout=10
            )
        except (sandlock.SandlockError, RuntimeError, OSError) as error:
            raise Unavailable(f"it does not start ({error})") from error
        if not done.success:
            raise Unavailable(f"it does not start ({done.error or done.stderr.decode(errors='replace')[:300]})")

    async def start(self, order: Order) -> Locked:
        argv = limited(order, order.argv, processes=False)
        if any(len(os.fsencode(one)) >= LONGEST for one in argv) or not order.folder.is_dir():
            raise InvalidInput("The command is too long, or its folder is gone.")
        try:
            process = _confined(order).popen(argv, 2, 1, 1)
        except RuntimeError as error:
            raise Unavailable(f"The sandbox cannot be started ({error}).") from error
        return Locked(process)


def _confined(order: Order) -> Any:
    from sandlock import Sandbox

    private = order.private
    writable = [order.root, private.home, private.tmp]
    return Sandbox(
        fs_readable=_present([*map(str, [*system(), *order.readable]), *DEVICES, *KERNEL]),
        fs_writable=[*map(str, writable), *_present(list(DEVICES))],
        clean_env=True,
        env={**order.env, "TMPDIR": str(private.tmp), **(_proxied(order.door) if order.door else {})},
        net_allow=[f"127.0.0.1:{order.door.port}"] if order.door else [],
        cwd=str(order.folder),
        max_processes=order.limits.processes,
        max_memory=order.limits.memory_bytes,
        no_coredump=True,
    )


def _proxied(door: Door) -> dict[str, str]:
    return proxied(f"http://rig:{door.password}@127.0.0.1:{door.port}")


def _present(paths: list[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]  # noqa: PTH110 - they are strings before and after


class Locked:
    """A program under sandlock's supervision, which happens in threads of this process."""

    def __init__(self, process: Any) -> None:
        self.pid: int = process.pid
        self.out, self.err = os.dup(process.stdout.fileno()), os.dup(process.stderr.fileno())
        self._process = process
        self._ended = asyncio.get_running_loop().create_future()
        self._watched = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._watched, self._has_ended)

    async def wait(self) -> int:
        await asyncio.shield(self._ended)
        return await asyncio.to_thread(self._collect)

    def kill(self) -> None:
        if self._ended.done():
            return  # the number may be somebody else's by now
        for one in family(self.pid, MANY):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)

    def _has_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watched)
        os.close(self._watched)
        self._ended.set_result(None)

    def _collect(self) -> int:
        with self._process as process:
            result = process.wait()
        return -result.signal if result.signal > 0 else result.exit_code
