"""Confines commands by namespaces, with bubblewrap."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from servers.kit.errors import Unavailable
from servers.workspace import cgroup, forward
from servers.workspace.children import children
from servers.workspace.process import Child, spawn
from servers.workspace.sandbox import MIB, Order, Private, limited, proxied, try_out
from servers.workspace.sandbox_view import copy_configuration, programs

NAMESPACES = (
    "--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
    "--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox",
)  # fmt: skip
GATE = "/run/rig-gate"
FORWARD = Path(forward.__file__)
PROXY = f"http://127.0.0.1:{forward.PORT}"
OWN_PROCESSES = 8  # of bwrap itself
TMP = Path("/tmp")  # noqa: S108 - as commands see it
SMALL_TMP = str(64 * MIB)


class Bubblewrap:
    """A root of its own, made of the system's folders read-only and the workspace, with no other process in sight."""

    name = "bwrap"
    by_port = False

    def __init__(self) -> None:
        self._program = shutil.which("bwrap") or ""

    def check(self) -> None:
        if not self._program:
            raise Unavailable("it is not installed")
        with tempfile.TemporaryDirectory(prefix="rig-check-") as folder:
            root = Path(folder).resolve()
            private = Private(root / "private")
            private.make()
            copy_configuration(private.configuration)
            try_out(self._argv(Order(["true"], root, root, private, {})))

    async def start(self, order: Order) -> Child:
        env = {**order.env, "TMPDIR": str(_temporary(order)), **(proxied(PROXY) if order.door else {})}
        if not order.private.configuration.exists():
            await asyncio.to_thread(copy_configuration, order.private.configuration)
        return await spawn(self._argv(order), order.folder, env, _end)

    def _argv(self, order: Order) -> list[str]:
        root = os.geteuid() == 0
        # Of root's processes only a control group counts any; it is joined outside, the user's limit holds inside.
        inner = [*_forwarded(order), *(order.argv if root else limited(order, order.argv, processes=True))]
        argv = [
            self._program, *NAMESPACES, *_machine(), *_devices(order), *_files(order),
            "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(order.folder), "--",
            *inner,
        ]  # fmt: skip
        counted = cgroup.group(order.limits.processes + OWN_PROCESSES) if root else None
        return limited(order, argv, processes=False, group=counted) if root else argv


def _machine() -> Iterator[str]:
    for path in programs():
        if path.is_relative_to(TMP):
            continue  # what is mounted on /tmp would lie over it
        if path.is_symlink() and path.parent == path.parent.parent:
            yield from ("--symlink", str(path.readlink()), str(path))
        else:
            yield from ("--ro-bind", str(path), str(path))


def _devices(order: Order) -> Iterator[str]:
    # Read-only in the end: root could change the machine there without any capability.
    yield from ("--proc", "/proc", "--dev", "/dev", "--ro-bind", str(order.private.configuration), "/etc")
    # On disk, where it is measured: a tmpfs would be memory that no process answers for.
    yield from ("--bind", str(order.private.memory), "/dev/shm")  # noqa: S108
    if _temporary(order) == TMP:
        yield from ("--bind", str(order.private.tmp), str(TMP))
    else:
        yield from ("--size", SMALL_TMP, "--tmpfs", str(TMP))


def _temporary(order: Order) -> Path:
    """Where temporary files go: /tmp, unless what is mounted below it could then be led astray by links in it."""
    mounted = (order.root, order.private.home, *_readable(order))
    return order.private.tmp if any(path.is_relative_to(TMP) for path in mounted) else TMP


def _readable(order: Order) -> Iterator[Path]:
    yield from (path for path in programs() if path.is_relative_to(TMP))
    yield from order.readable


def _files(order: Order) -> Iterator[str]:
    for path in _readable(order):
        yield from ("--ro-bind", str(path), str(path))
    temporary = [] if _temporary(order) == TMP else [order.private.tmp]
    for path in (*temporary, order.private.home, order.root):
        yield from ("--bind", str(path), str(path))
    if order.git:
        # Each step on the way is a mount point in every command's view, so none can be moved away or replaced.
        git = order.root / ".git"
        yield from ("--bind", str(git), str(git))
        for name in ("config", "hooks"):
            yield from ("--ro-bind", str(git / name), str(git / name))
    if order.door:
        yield from ("--ro-bind", str(order.door.socket), GATE)


def _forwarded(order: Order) -> list[str]:
    return [sys.executable, "-I", "-S", str(FORWARD), GATE] if order.door else []


def _end(pid: int) -> None:
    """End the namespace's first process, with which the kernel ends all others, before bwrap itself is done."""
    for child in children(pid) or [pid]:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
