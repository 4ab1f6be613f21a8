"""What stands around a workspace: processes, servers and a repository that its commands must leave alone."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

CANARY = "do not tell"


@contextmanager
def running(argv: list[str], cwd: Path | None = None) -> Generator[int]:
    """A process of this machine, killed at the end."""
    process = subprocess.Popen(argv, cwd=cwd)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def listening(family: int, address: object) -> Generator[int]:
    """A server of the host that tells whoever asks."""
    with socket.socket(family) as server:
        server.bind(address)  # pyright: ignore[reportArgumentType]
        server.listen()
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with suppress(OSError):
                    peer, _ = server.accept()
                    with peer:
                        peer.sendall(CANARY.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1] if family != socket.AF_UNIX else 0
        finally:
            done.set()
            thread.join()


def repository(folder: Path) -> None:
    """A git repository as the supervisor lays it out."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    (folder / "file").write_text("x\n")
    for arguments in (("init", "-q", "--template="), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    (folder / ".git/hooks").mkdir()


def running_in(folder: Path) -> list[str]:
    """The programs whose current folder is `folder`."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder and (process / "stat").read_text().split()[2] != "Z":
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def state_of(pid: int) -> str:
    """What a process does, in the kernel's letter."""
    return Path(f"/proc/{pid}/stat").read_text().split()[2]


def made(folder: Path, pattern: str) -> int:
    """How many files of a name there are."""
    return len(list(folder.glob(pattern)))


def state(file: Path) -> str:
    """What a small file says."""
    return file.read_text().strip()
