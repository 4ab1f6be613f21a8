"""What a repository's set-up fetched, kept for its next run: only set-up gets it back, and only as a copy."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from servers.kit.logs import get
from servers.workspace.watch import usage

log = get(__name__)
# Where package clients keep what they fetched, seen from a home.
FOLDERS: Final = (
    ".cache/pip", ".cache/uv", ".cache/yarn", ".cargo/registry", ".gradle/caches", ".local/share/pnpm/store",
    ".m2/repository", ".npm/_cacache", ".nuget/packages", "go/pkg/mod",
)  # fmt: skip
LARGEST: Final = 1024**3
FRESH_SECONDS: Final = 24 * 3600
COPY: Final = ("cp", "-a", *(["--reflink=auto"] if sys.platform == "linux" else []), "--")


async def put_back(kept: Path, home: Path) -> None:
    """Give a home what was kept; without it everything is fetched again."""
    for name in FOLDERS:
        if (kept / name).is_dir() and not (home / name).exists() and _is_plain(home, (home / name).parent):
            await _copy(kept / name, home / name)


async def keep(home: Path, kept: Path) -> None:
    """Keep what a set-up fetched, unless that was done lately or it is too large.

    No command runs any more that could change the home meanwhile; links that one left there are not followed.
    """
    found = [name for name in FOLDERS if (home / name).is_dir() and _is_plain(home, home / name)]
    if not found or _is_fresh(kept):
        return
    used = await asyncio.to_thread(usage, [home / name for name in found])
    if used.bytes > LARGEST:
        log.info("what set-up fetched is too large to be kept", bytes=used.bytes)
        return
    new, old = (kept.with_name(f"{kept.name}-{uuid4().hex}") for _ in range(2))
    try:
        if all([await _copy(home / name, new / name) for name in found]):
            _exchange(kept, new, old)
    except OSError as error:
        log.info("what set-up fetched is not kept", reason=str(error))
    finally:
        for spent in (new, old):
            await asyncio.to_thread(shutil.rmtree, spent, ignore_errors=True)


def _exchange(kept: Path, new: Path, old: Path) -> None:
    with suppress(FileNotFoundError):
        kept.rename(old)
    new.rename(kept)


def _is_fresh(kept: Path) -> bool:
    try:
        return time.time() - kept.stat().st_mtime < FRESH_SECONDS
    except FileNotFoundError:
        return False


def _is_plain(home: Path, path: Path) -> bool:
    """Whether no link is on the way from the home to a path."""
    return path.resolve() == home.resolve() / path.relative_to(home)


async def _copy(source: Path, target: Path) -> bool:
    """Copy a folder whole, its links as links; whether that was done."""
    target.parent.mkdir(parents=True, exist_ok=True)
    null = asyncio.subprocess.DEVNULL
    copying = await asyncio.create_subprocess_exec(*COPY, source, target, stdin=null, stdout=null, stderr=null)
    try:
        code = await copying.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            copying.kill()
        raise
    if code:
        await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    return code == 0
