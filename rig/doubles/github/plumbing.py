"""Running git without a shell, without the user's configuration, and without blocking the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KEPT = 2_000
_KEPT: dict[tuple[Path, tuple[str, ...]], Output] = {}


class GitFailed(Exception):
    """git answered with an exit code that the caller did not expect."""


@dataclass(frozen=True)
class Output:
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode(errors="replace")


def environment(**more: str) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        **more,
    }


async def git(
    directory: Path,
    *arguments: str,
    stdin: bytes | None = None,
    expect: tuple[int, ...] = (0,),
    env: Mapping[str, str] | None = None,
) -> Output:
    """Run one git command inside a directory; an unexpected exit code raises with git's own words."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=directory,
        env=environment(**(env or {})),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    code = process.returncode or 0
    if code not in expect:
        raise GitFailed(f"git {' '.join(arguments[:3])} exited {code}: {err.decode(errors='replace').strip()}")
    return Output(code, out, err)


async def unchanging(directory: Path, *arguments: str) -> Output:
    """The same about objects under their full names, which stay as they are: git is asked once."""
    key = (directory, arguments)
    if key not in _KEPT:
        _KEPT[key] = await git(directory, *arguments)
        while len(_KEPT) > KEPT:
            del _KEPT[next(iter(_KEPT))]
    return _KEPT[key]
