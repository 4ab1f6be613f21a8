"""Ruff, pyright and import-linter have nothing to say about the whole tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command", ["ruff check --output-format=concise", "ruff format --check", "pyright", "lint-imports --no-cache"]
)
def test_the_checker_passes(command: str) -> None:
    program, *arguments = command.split()
    done = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"Run `{command}` and mend what it names:\n{done.stdout}"
