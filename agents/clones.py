"""The clones that runs are made from: one for each repository, shared by all agents of a machine, kept while used."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

from agents.run_folder import delete

LOCK = "rig.lock"
USE = "rig.use"
SPARE = "spare"
GONE = "rig-gone-"
RETRY_SECONDS = 0.02
ABANDONED_SECONDS = 3600


class Use:
    """Keeps a clone from being thrown away, for as long as this object lives."""

    def __init__(self, clone: Path) -> None:
        self._file = _held(clone)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self._file)


def _held(clone: Path) -> int:
    while True:
        clone.mkdir(parents=True, exist_ok=True)
        file = os.open(clone / USE, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if (clone / USE).stat().st_ino == os.fstat(file).st_ino:
                os.utime(clone / USE)
                return file
        os.close(file)  # it was thrown away meanwhile


@asynccontextmanager
async def changing(clone: Path) -> AsyncGenerator[None]:
    """Nobody else fetches into the clone during the block; a process that is killed holds nothing."""
    file = os.open(clone / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _locked(file):  # noqa: ASYNC110 - another process says so in no other way
            await asyncio.sleep(RETRY_SECONDS)
        yield
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take_spare(clone: Path, folder: Path) -> bool:
    """Put files that lie ready in the clone into a run's folder; False if there are none."""
    taken = folder / f"{SPARE}-{uuid4().hex}"
    tree = folder / "tree"
    try:
        (clone / SPARE).rename(taken)
        tree.rmdir()
        (taken / "tree").rename(tree)
        (taken / "index").rename(folder / "index")
    except OSError:
        tree.mkdir(exist_ok=True)
        return False
    finally:
        shutil.rmtree(taken, ignore_errors=True)
    return True


def new_spare(clone: Path) -> Path:
    """A folder in which files may be laid ready; what killed processes left half done goes."""
    for old in clone.glob(f"{SPARE}.*"):
        with suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    folder = clone / f"{SPARE}.{uuid4().hex}"
    (folder / "tree").mkdir(parents=True)
    return folder


def keep_spare(clone: Path, folder: Path) -> None:
    """The files are whole: whoever asks first may have them."""
    try:
        folder.rename(clone / SPARE)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


def trim(root: Path, at_most: int) -> list[Path]:
    """Throw away the clones that were not used for longest, until the rest fits; answers those that went.

    Args:
        root: The folder of all clones, each at `<owner>/<name>.git`.
        at_most: Bytes that all of them together may take; one that is in use stays whatever it takes.
    """
    for left in root.glob(f"{GONE}*"):
        delete(left)
    clones = sorted((path.parent for path in root.glob(f"*/*.git/{USE}")), key=_used_at)
    sizes = {clone: _size(clone) for clone in clones}
    gone: list[Path] = []
    for clone in clones:
        if sum(sizes.values()) <= at_most:
            break
        if _thrown_away(root, clone):
            gone.append(clone)
            del sizes[clone]
    return gone


def _used_at(clone: Path) -> float:
    try:
        return (clone / USE).stat().st_mtime
    except FileNotFoundError:
        return 0


def _thrown_away(root: Path, clone: Path) -> bool:
    with suppress(FileNotFoundError):
        file = os.open(clone / USE, os.O_RDWR)
        try:
            if not _locked(file):
                return False
            moved = root / f"{GONE}{uuid4().hex}"
            clone.rename(moved)
            delete(moved)
        finally:
            os.close(file)
    return True


def _size(folder: Path) -> int:
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(at, name)).st_blocks * 512  # noqa: PTH118 - there are many
    return total
