"""A workspace to work in, with something secret beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers.workspace.store import Workspace


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the workspace, with a file that must not be reached."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("do not tell")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace's folder."""
    folder = (tmp_path / "workspace").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def files(root: Path) -> Workspace:
    return Workspace(root)
