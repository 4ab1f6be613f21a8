"""The port through which every command runs: it writes one folder, sees a read-only system, leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal, Protocol

from servers.kit.errors import Unavailable
from servers.workspace import cgroup
from servers.workspace.gate import Door

Wanted = Literal["auto", "bwrap", "sandlock", "sandbox-exec"]
MIB: Final = 1024 * 1024
EXEC: Final = 'exec "$@"'
JOIN: Final = f'echo $$ > "$0/cgroup.procs" && {EXEC}'
CHECK_SECONDS: Final = 10
OWN_HOSTS: Final = "localhost,127.0.0.1,::1"
# Set by bash itself: every process of the command inherits them, and no limit is ever raised.
LIMITED: Final = 'while [ "$1" != -- ]; do ulimit "$1" "$2" 2>/dev/null; shift 2; done; shift; '


@dataclass(frozen=True)
class Limits:
    """How much all processes of one command together may use."""

    processes: int = 512
    memory_bytes: int = 8192 * MIB
    disk_bytes: int = 8192 * MIB
    open_files: int = 16_384
    files: int = 1_000_000


DEFAULT = Limits()


@dataclass(frozen=True)
class Private:
    """The folders of a workspace's commands that are no part of it: they outlive a command, not a run."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def memory(self) -> Path:
        """What stands for /dev/shm, so that it counts as disk."""
        return self.folder / "shm"

    @property
    def configuration(self) -> Path:
        """What stands for /etc where that is mounted."""
        return self.folder / "etc"

    def make(self) -> None:
        """Make them again where a run's end took them away."""
        for folder in (self.home, self.tmp, self.memory):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@dataclass(frozen=True)
class Order:
    """One program to run.

    Attributes:
        folder: Where it starts, at or below `root`.
        root: The workspace, which it may write.
        env: Its environment, except for where temporary files go.
        readable: What it sees besides the system's own programs.
        git: Whether `root/.git` was laid out by us; its hooks and configuration stay as they are.
        door: The gate that is its only way out; None for no network.
        seconds: Processor time that each of its processes may use.
    """

    argv: Sequence[str]
    folder: Path
    root: Path
    private: Private
    env: Mapping[str, str]
    limits: Limits = DEFAULT
    readable: tuple[Path, ...] = ()
    git: bool = False
    door: Door | None = None
    seconds: int = 3600


class Running(Protocol):
    """A program at work; `out` and `err` are descriptors to read from, which the reader closes."""

    pid: int
    out: int
    err: int

    async def wait(self) -> int:
        """Its exit code, negative for a signal; nothing that it started is left then."""
        ...

    def kill(self) -> None:
        """End it and all that it started; `wait` answers soon after."""
        ...


class Sandbox(Protocol):
    """One way to confine a program."""

    name: str
    by_port: bool
    """Whether a gate has to be a port of the host, because a socket cannot be mounted."""

    def check(self) -> None:
        """Raise Unavailable, with the reason, where this machine cannot do it."""
        ...

    async def start(self, order: Order) -> Running:
        """Start a program.

        Raises:
            Unavailable: It cannot be started.
            InvalidInput: The command cannot be passed on.
        """
        ...


Make = Callable[[], Sandbox]
Start = Callable[[Order], Awaitable[Running]]


def choose(wanted: Wanted = "auto") -> Sandbox:
    """The first sandbox that works here; a machine without one runs no commands.

    Raises:
        Unavailable: None works; says what to install.
    """
    names = [wanted] if wanted != "auto" else _preferred()
    failed: list[str] = []
    for name in names:
        try:
            return _checked(name)
        except Unavailable as error:
            failed.append(f"{name}: {error}")
    raise Unavailable(
        f"No sandbox works on this machine, so no command runs ({'; '.join(failed)}). Install bubblewrap"
        " (Debian, Ubuntu: `apt-get install bubblewrap`; Fedora: `dnf install bubblewrap`), or use a Linux kernel"
        " of 6.12 or newer, where the rig's own sandlock works without it. See docs/security.md."
    )


def _preferred() -> list[str]:
    if sys.platform == "darwin":
        return ["sandbox-exec"]
    # Without a control group nothing but sandlock counts root's processes before there are too many.
    uncounted = os.geteuid() == 0 and cgroup.group(Limits.processes) is None
    return ["sandlock", "bwrap"] if uncounted else ["bwrap", "sandlock"]


@cache
def _checked(name: str) -> Sandbox:
    sandbox = _made(name)
    sandbox.check()
    return sandbox


def _made(name: str) -> Sandbox:
    if name == "bwrap":
        from servers.workspace.sandbox_bwrap import Bubblewrap

        return Bubblewrap()
    if name == "sandlock":
        from servers.workspace.sandbox_lock import Sandlock

        return Sandlock()
    from servers.workspace.sandbox_mac import SandboxExec

    return SandboxExec()


def try_out(argv: Sequence[str]) -> None:
    """Raise Unavailable, with what it said, if a program that should do nothing does not succeed."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=CHECK_SECONDS, env={}, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"it does not start ({error})") from error
    if done.returncode:
        raise Unavailable(f"it does not start ({' '.join(done.stderr.split())[:300]})")


def proxied(url: str) -> dict[str, str]:
    """The variables by which programs find their proxy."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "npm_config_proxy", "npm_config_https_proxy")
    return {
        **dict.fromkeys([*names, *(name.lower() for name in names)], url),
        "NO_PROXY": OWN_HOSTS,
        "no_proxy": OWN_HOSTS,
    }


def limited(order: Order, argv: Sequence[str], *, processes: bool, group: Path | None = None) -> list[str]:
    """A program's arguments behind the limits that each of its processes inherits.

    Args:
        processes: Whether the user's processes are counted within the sandbox only.
        group: Control group that it joins first.
    """
    limits = order.limits
    pairs = ["-c", "0", "-n", str(limits.open_files), "-f", str(limits.disk_bytes // 1024), "-t", str(order.seconds)]
    pairs += ["-u", str(limits.processes)] if processes else []
    join = JOIN if group else EXEC
    return [str(shell()), "--norc", "--noprofile", "-c", LIMITED + join, str(group), *pairs, "--", *argv]


@cache
def shell() -> Path:
    """The machine's bash."""
    for folder in ("/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"):
        if (bash := Path(folder) / "bash").exists():
            return bash
    return Path("bash")
