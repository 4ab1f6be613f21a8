"""What a killed process of this slot left: processes nobody waits for any more, files, perhaps unfinished work."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agents.run_folder import LOCK, NOTE, Unfinished, discard
from servers.kit.logs import get

if TYPE_CHECKING:
    from psutil import Process

log = get(__name__)
END_SECONDS = 2
ANYWHERE = ("PWD", "OLDPWD")  # a person's shell may stand in the folder, too


@dataclass
class Leftover:
    """The folder of a run whose process is gone; it is ours until we drop it."""

    folder: Path
    work: Unfinished | None
    lock: int | None

    def drop(self) -> None:
        """Delete it."""
        discard(self.folder)
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def take(runs: Path) -> Leftover | None:
    """Clean up after all processes that are gone; answers the newest folder that still holds unfinished work.

    A process that lives, such as one that this one replaces, keeps what it has.
    """
    dead = list(_dead(runs))
    if not dead:
        return None
    ended = end_orphans([left.folder for left in dead])
    kept = max((left for left in dead if left.work), key=lambda left: left.folder.stat().st_mtime, default=None)
    for left in dead:
        if left is not kept:
            left.drop()
    log.info("cleaned up after a killed process", folders=len(dead), processes=ended, work=kept is not None)
    return kept


def _dead(runs: Path) -> Iterator[Leftover]:
    found = sorted({path.with_suffix("") for path in runs.iterdir()}) if runs.is_dir() else []
    for folder in found:
        path = folder.with_suffix(LOCK)
        if not path.exists():
            if not folder.with_suffix(".new").exists():  # somebody is just being born
                yield Leftover(folder, None, None)
            continue
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            yield Leftover(folder, _work(folder), lock)


def _work(folder: Path) -> Unfinished | None:
    note = folder.with_suffix(NOTE)
    if not note.exists() or not (folder / "tree").is_dir():
        return None
    try:
        return Unfinished.model_validate_json(note.read_bytes())
    except (ValidationError, OSError) as error:
        log.warning("what a killed process noted cannot be read", file=str(note), reason=str(error))
        return None


def end_orphans(folders: Sequence[Path]) -> int:
    """Kill the processes that were started for one of `folders`, with all their children; how many there were."""
    import psutil

    marks = [str(folder) for folder in folders]
    found = {process for process in psutil.process_iter() if process.pid != os.getpid() and _is_for(process, marks)}
    for process in list(found):
        with suppress(psutil.Error):
            found |= set(process.children(recursive=True))
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=END_SECONDS)
    return len(found)


def _is_for(process: Process, marks: Sequence[str]) -> bool:
    """Whether its environment names one of the folders, which no other process knows."""
    import psutil

    try:
        said = process.environ()
    except (psutil.Error, OSError):
        return False
    return any(mark in value for name, value in said.items() if name not in ANYWHERE for mark in marks)
