"""Proves the demo's end on the bare repository itself: the commits on `main`, and its tests in a clean checkout."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rig.doubles.demo.seed import TEMPLATE
from servers.kit.errors import Conflict

SEPARATOR = "\x1e"
CHECKS = (("python3", "-m", "unittest", "-q"), ("python3", "-m", "checks"))


@dataclass(frozen=True)
class Commit:
    """A commit on `main`."""

    sha: str
    author: str
    text: str


async def run(*command: str, cwd: Path) -> str:
    """Run a program and give its standard output.

    Raises:
        Conflict: It failed; with the end of what it said.
    """
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **quiet, **trusted}
    )
    output, complaint = await process.communicate()
    if process.returncode:
        said = (output + complaint).decode(errors="replace").strip()[-2000:]
        raise Conflict(f"`{' '.join(command)}` failed with {process.returncode}:\n{said}")
    return output.decode(errors="replace")


async def commits_on_main(bare: Path) -> list[Commit]:
    """The commits of `main`, newest first."""
    shown = await run("git", "log", f"--format=%H%n%an <%ae>%n%B{SEPARATOR}", "main", cwd=bare)
    parts = (part.strip().split("\n", 2) for part in shown.split(SEPARATOR) if part.strip())
    return [Commit(sha, author, text.strip()) for sha, author, text in parts]


async def prove(bare: Path, merged: list[str]) -> list[Commit]:
    """The merged commits, after `main` is found to hold each once and a clean checkout to pass its own tests.

    Raises:
        Conflict: A merge is missing, stands twice, or the repository's tests fail.
    """
    commits = await commits_on_main(bare)
    found = [commit for commit in commits if commit.sha in merged]
    if len(found) != len(set(merged)) or len(merged) != len(set(merged)):
        raise Conflict(f"main holds {len(found)} of {len(merged)} merges: {', '.join(merged)}")
    if len(commits) - len(found) != 1:
        raise Conflict(f"main holds {len(commits)} commits, not the first one and {len(found)} merges.")
    with tempfile.TemporaryDirectory(prefix="rig-proof-") as folder:
        checkout = Path(folder) / TEMPLATE.name
        await run("git", "clone", "--quiet", "--branch", "main", str(bare), str(checkout), cwd=Path(folder))
        for command in CHECKS:
            await run(*command, cwd=checkout)
    return found
