"""Confines commands on macOS, with the system's own sandbox-exec."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from servers.kit.errors import Unavailable
from servers.workspace.process import Child, spawn
from servers.workspace.sandbox import Order, limited, proxied, try_out
from servers.workspace.sandbox_view import system

MACHINE = (
    "/System", "/Library/Developer", "/Library/Frameworks", "/Applications/Xcode.app", "/opt/homebrew",
    "/usr", "/bin", "/sbin", "/private/etc/ssl", "/private/etc/hosts", "/private/etc/passwd", "/dev",
    "/private/var/db/dyld", "/private/var/db/timezone", "/private/var/select",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/tty", "/dev/random", "/dev/urandom", "/dev/dtracehelper")


class SandboxExec:
    """The machine's own root, under a profile that denies what it does not name."""

    name = "sandbox-exec"
    by_port = True

    def __init__(self) -> None:
        self._program = shutil.which("sandbox-exec") or ""

    def check(self) -> None:
        if not self._program:
            raise Unavailable("it is not on this machine")
        try_out([self._program, "-p", "(version 1)(allow default)", "/usr/bin/true"])

    async def start(self, order: Order) -> Child:
        argv = [self._program, "-p", profile(order), *limited(order, order.argv, processes=False)]
        env = {**order.env, "TMPDIR": str(order.private.tmp)}
        if order.door:
            env |= proxied(f"http://rig:{order.door.password}@127.0.0.1:{order.door.port}")
        return await spawn(argv, order.folder, env, _end)


def profile(order: Order) -> str:
    """The profile of one command, in Apple's sandbox language."""
    readable = [*MACHINE, *map(str, system()), *map(str, order.readable)]
    writable = [order.root, order.private.home, order.private.tmp]
    rules = [
        "(version 1)",
        "(deny default)",
        "(allow process-fork process-exec sysctl-read)",
        "(allow signal (target same-sandbox))",
        '(allow file-read-metadata (subpath "/"))',
        f"(allow file-read* {_each('subpath', readable)})",
        f"(allow file-read* file-write* {_each('subpath', writable)})",
        f"(allow file-read* file-write-data {_each('literal', DEVICES)})",
    ]
    if order.git:
        kept = [order.root / ".git" / name for name in ("config", "hooks")]
        rules.append(f"(deny file-write* {_each('subpath', kept)})")
    if order.door:
        rules.append(f'(allow network-outbound (remote ip "localhost:{order.door.port}"))')
    return "\n".join(rules)


def _each(kind: str, paths: Iterable[str | Path]) -> str:
    return " ".join(f"({kind} {_quoted(path)})" for path in paths)


def _quoted(path: str | Path) -> str:
    return json.dumps(str(Path(path).resolve()), ensure_ascii=False)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
