"""Puts the demo's repository into a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

TEMPLATE: Final = Path(__file__).parent / "repository"


def write_repository(folder: Path) -> None:
    """Copy the template's files; what Python compiled beside them stays where it is."""
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
