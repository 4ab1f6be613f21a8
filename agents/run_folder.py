"""The folder in which a process works: locked while the process lives, with a note beside it on what it works."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

LOCK, NOTE = ".lock", ".json"
Sha = Field(pattern=r"^[0-9a-f]{40,64}$")


class Unfinished(BaseModel):
    """What the files of a run were made from, for whoever finds them after the process was killed.

    Attributes:
        head: The commit that the model started from.
        merged: The base's head where it was merged into the files.
    """

    model_config = ConfigDict(extra="forbid")

    issue: str
    kind: str
    branch: str
    head: str = Sha
    merged: str | None = Field(default=None, pattern=r"^[0-9a-f]{40,64}$")


class RunFolder:
    """`<runs>/<id>/tree` holds the files; whoever can take `<id>.lock` knows that nobody works there any more."""

    def __init__(self, runs: Path) -> None:
        runs.mkdir(parents=True, exist_ok=True)
        self.path = runs / uuid4().hex
        self._note = self.path.with_suffix(NOTE)
        # Under another name until it is locked, so that it is never found unlocked.
        born = runs / f"{self.path.name}.new"
        self._lock = os.open(born, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        born.rename(self.path.with_suffix(LOCK))
        (self.path / "tree").mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Delete it with all that belongs to it."""
        discard(self.path)
        os.close(self._lock)

    def note(self, work: Unfinished | None) -> None:
        """Keep what the files hold from now on, through a kill; None once there is nothing to lose."""
        if work is None:
            self._note.unlink(missing_ok=True)
            return
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text(work.model_dump_json(), encoding="utf-8")
        fresh.replace(self._note)


def delete(folder: Path) -> None:
    """Delete a folder with all that can be deleted of it, also what a command made unwritable."""
    shutil.rmtree(folder, onerror=_by_force)


def discard(folder: Path) -> None:
    """Delete a run's folder and what lies beside it; the lock goes last."""
    delete(folder)
    for suffix in (NOTE, ".fresh", ".new", LOCK):
        folder.with_suffix(suffix).unlink(missing_ok=True)


def _by_force(again: Callable[[str], Any], path: str, _: object) -> None:
    """A folder without the right to write lets nobody delete what is in it."""
    with suppress(OSError):
        Path(path).parent.chmod(stat.S_IRWXU)
        if not Path(path).is_symlink() and Path(path).is_dir():
            Path(path).chmod(stat.S_IRWXU)
            shutil.rmtree(path, ignore_errors=True)
        else:
            again(path)
