"""No path leaves the workspace, whatever it is made of."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.kit.errors import Forbidden, InvalidInput, NotFound, RigError
from servers.workspace.paths import find, refuse_git
from servers.workspace.store import Workspace

AT_FDCWD, RENAME_EXCHANGE = -100, 2
ESCAPES = ["..", "../outside/secret", "a/../../outside/secret", "/etc/passwd", "/", "a/b/../../../outside"]


def where(root: Path, path: str) -> str:
    with find(root, path) as place:
        return place.path


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_that_leads_out_is_forbidden(root: Path, outside: Path, path: str) -> None:
    (root / "a/b").mkdir(parents=True)
    with pytest.raises(Forbidden, match="leads out of the workspace"):
        where(root, path)


@pytest.mark.parametrize("target", ["../outside/secret", "../outside", "{outside}/secret", "/etc/passwd"])
def test_a_link_that_points_outside_is_forbidden(root: Path, outside: Path, target: str) -> None:
    (root / "link").symlink_to(target.format(outside=outside))
    for path in ("link", "link/secret"):
        with pytest.raises(Forbidden):
            where(root, path)


def test_a_link_to_a_folder_outside_is_forbidden_in_the_middle_of_a_path(root: Path, outside: Path) -> None:
    (root / "a").mkdir()
    (root / "a/out").symlink_to("../../outside")
    with pytest.raises(Forbidden):
        where(root, "a/out/secret")


def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "docs/deep").mkdir(parents=True)
    (root / "docs/deep/up").symlink_to("../..")
    (root / "latest").symlink_to("docs/deep")
    (root / "absolute").symlink_to(root / "docs")
    assert where(root, "latest/new.md") == "docs/deep/new.md"
    assert where(root, "latest/up/latest/x") == "docs/deep/x"
    assert where(root, "docs/deep/up/absolute/x") == "docs/x"


def test_dots_are_taken_where_they_stand_and_not_in_the_text(root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "link").symlink_to("a/b")
    assert where(root, "link/../x") == "a/x"
    assert where(root, "./a//b/./..") == "a"
    assert where(root, "a/..") == "."


def test_an_absolute_path_below_the_workspace_is_accepted(root: Path) -> None:
    assert where(root, str(root / "x.py")) == "x.py"
    with pytest.raises(Forbidden):
        where(root, str(root / "../outside"))
    with pytest.raises(Forbidden):
        where(root, f"{root}-other/x")


def test_a_loop_of_links_ends(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(InvalidInput, match="loop"):
        where(root, "a")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "y" * 300, "\ud800"])
def test_what_is_no_path_is_refused(root: Path, path: str) -> None:
    with pytest.raises(InvalidInput):
        where(root, path)


def test_a_missing_folder_or_a_file_on_the_way_is_said(root: Path) -> None:
    (root / "file").touch()
    with pytest.raises(NotFound, match="no folder a"):
        where(root, "a/b/c")
    with pytest.raises(InvalidInput, match="file is not a folder"):
        where(root, "file/x")


@given(st.lists(st.sampled_from(["..", ".", "", "a", "in", "out", "up", "abs", "secret"]), max_size=12))
def test_no_walk_ends_outside(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    base = tmp_path_factory.getbasetemp() / "walks"
    root = (base / "root").resolve()
    if not root.exists():
        (root / "a/a").mkdir(parents=True)
        (root / "in").symlink_to("a")
        (root / "a/up").symlink_to("..")
        (root / "a/out").symlink_to("../..")
        (root / "abs").symlink_to("/")
        (base / "secret").write_text("do not tell")
    try:
        with find(root, "/".join(parts)) as place:
            at = Path(f"/proc/self/fd/{place.folder}").readlink() / place.name
    except RigError:
        return
    assert at.resolve() == root or root in at.resolve().parents


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
def test_a_folder_that_is_swapped_for_a_link_again_and_again_never_leads_out(root: Path, outside: Path) -> None:
    workspace = Workspace(root)
    for name in ("real", "spare"):
        (root / name).mkdir()
        (root / name / "secret").write_text("ours")
    (root / "evil").symlink_to(outside)
    (root / "d").symlink_to("real")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("spare", outside, "real"):
                (root / "link").symlink_to(target)
                (root / "link").rename(root / "d")
            for _ in range(2):
                exchange(root / "real", root / "evil")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {_attempt(workspace) for _ in range(2000)}
    finally:
        stop.set()
        thread.join()
    assert "     1\tours" in seen
    assert not any("tell" in answer for answer in seen)
    assert (outside / "secret").read_text() == "do not tell"


def exchange(one: Path, other: Path) -> None:
    """Let two names change places in one step."""
    ctypes.CDLL(None).renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)


def _attempt(workspace: Workspace) -> str:
    try:
        workspace.write_file("d/secret", "ours")
        return workspace.read_file("d/secret", 1, None)
    except RigError as error:
        return str(error)


@pytest.mark.parametrize(
    "path",
    [".git", ".git/config", ".GIT/hooks/pre-commit", "sub/.Git/x", ".git. /x", ".g\u200cit/config", "GIT~1/config"],
)
def test_what_belongs_to_git_is_not_written(path: str) -> None:
    with pytest.raises(Forbidden, match="belongs to git"):
        refuse_git(path)


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".gitignore", ".gitattributes", "git/x"])
def test_what_only_looks_like_git_is_written(path: str) -> None:
    refuse_git(path)
