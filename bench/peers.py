"""Peers whose dependencies do not fit beside ours: each in an environment of its own, made from a hashed lock."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from bench.common import run, stderr

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".venv" / "peers"


async def python_of(name: str) -> Path:
    """The Python for which the peer `name` is installed, from `bench/<name>.lock`; installed now if it is not yet.

    Raises:
        RuntimeError: It cannot be installed; the message says why.
    """
    lock = HERE / f"{name}.lock"
    folder = ENVIRONMENTS / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists():
        return python
    stderr.print(f"[dim]Installing {name} once, into {folder}[/dim]")
    for old in ENVIRONMENTS.glob(f"{name}-*"):
        shutil.rmtree(old)
    uv = Path(sys.executable).with_name("uv")
    await run(str(uv), "venv", "--quiet", "--python", sys.executable, str(folder))
    hashed = ("--require-hashes", "--no-deps", "--requirement", str(lock))
    await run(str(uv), "pip", "install", "--quiet", "--python", str(python), *hashed)
    done.touch()
    return python
