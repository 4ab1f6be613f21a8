"""A workspace to work in, with something secret beside it, and the sandboxes of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servers.kit.errors import Unavailable
from servers.workspace.commands import Shell, environment
from servers.workspace.sandbox import MIB, Limits, Private, Sandbox, Wanted, choose
from servers.workspace.store import Workspace

# Small, so that a test which fills them is quick.
LIMITS = Limits(processes=100, memory_bytes=300 * MIB, disk_bytes=96 * MIB, files=5000)


def available(name: Wanted) -> Sandbox:
    """A sandbox that works on this machine; the test is skipped without it, and fails under `CI=true`."""
    try:
        return choose(name)
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(params=["bwrap", "sandlock"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each sandbox of Linux."""
    return available(request.param)


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
def private(tmp_path: Path) -> Private:
    """The folders of its commands."""
    return Private((tmp_path / "private").resolve())


@pytest.fixture
def files(root: Path) -> Workspace:
    return Workspace(root)


@pytest.fixture
def shell(sandbox: Sandbox, root: Path, private: Private) -> Shell:
    """A shell in the workspace, with little of everything."""
    return Shell(sandbox, root, private, environment(private.home, {"STACK": "python"}), LIMITS)
