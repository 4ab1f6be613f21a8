"""The files that are ours, as the shape tests see them."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATE = "rig/doubles/demo/repository"


@dataclass(frozen=True)
class Tree:
    """The working tree without what git ignores and without the demo's template repository."""

    root: Path
    files: tuple[str, ...]

    def under(self, *folders: str) -> list[str]:
        return [name for name in self.files if name.startswith(tuple(f"{folder}/" for folder in folders))]

    def ending(self, *suffixes: str) -> list[str]:
        return [name for name in self.files if name.endswith(suffixes)]

    def text(self, name: str) -> str:
        return (self.root / name).read_text()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every file that is text, with what it says."""
        for name in self.files:
            content = (self.root / name).read_bytes()
            if b"\0" not in content:
                yield name, content.decode(errors="replace")


@pytest.fixture(scope="session")
def tree() -> Tree:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = sorted(set(listed.stdout.split("\0")) - {""})
    ours = [name for name in names if not name.startswith(TEMPLATE) and (ROOT / name).is_file()]
    return Tree(ROOT, tuple(ours))


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())
