"""Which account PostgreSQL runs as and where that account can look: PostgreSQL refuses to run as root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.kit.errors import Unavailable

UNPRIVILEGED = ("postgres", "pgserver", "nobody")
SHARED_STATE = Path("/var/lib/rig")


@dataclass(frozen=True)
class Account:
    """Whom a child runs as: us, or the account that root steps down to."""

    uid: int
    gid: int
    lowered: bool

    @classmethod
    def choose(cls) -> Account:
        """Ourselves; as root, the first unprivileged account that this machine has.

        Raises:
            Unavailable: We are root and there is no other account.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), lowered=False)
        for name in UNPRIVILEGED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, lowered=True)
        raise Unavailable("PostgreSQL does not run as root and there is no account `postgres` to run it as.")

    def arguments(self) -> dict[str, Any]:
        """What a subprocess call needs to step down to this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()} if self.lowered else {}

    def reaches(self, path: Path) -> bool:
        """Whether this account may pass through every folder above `path`."""
        if not self.lowered:
            return True
        return all(self._enters(folder) for folder in path.absolute().parents if folder.exists())

    def _enters(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & (0o010 if status.st_gid == self.gid else 0o001))

    def own(self, folder: Path) -> None:
        """Make `folder` private to this account."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.lowered:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only this account (and root) may read."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            if self.lowered:
                os.fchown(file.fileno(), self.uid, self.gid)
            file.write(text)

    def place_for(self, folder: Path) -> Path:
        """`folder`, or below /var/lib/rig what stands for it where this account cannot reach `folder`."""
        return folder if self.reaches(folder) else SHARED_STATE / _digest(folder)

    def programs(self, folder: Path) -> Path:
        """`folder` with its programs, or a copy of it where this account cannot reach the original."""
        if self.reaches(folder / "any"):
            return folder
        copy = SHARED_STATE / f"postgresql-{_digest(folder)}"
        if not copy.exists():
            staged = copy.with_suffix(f".{os.getpid()}")
            shutil.copytree(folder, staged, symlinks=True)
            staged.rename(copy)
        return copy


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]
