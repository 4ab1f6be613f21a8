"""Which sandbox is taken, what it shows of the machine, and that nothing runs without one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from servers.kit.errors import InvalidInput, Unavailable
from servers.workspace import cgroup
from servers.workspace.children import family
from servers.workspace.gate import Door
from servers.workspace.leave import META, NO_LEAVE, leave_of
from servers.workspace.sandbox import Order, Private, choose
from servers.workspace.sandbox_bwrap import Bubblewrap
from servers.workspace.sandbox_mac import profile
from servers.workspace.sandbox_view import system
from servers.workspace.server import part
from servers.workspace.settings import WorkspaceSettings
from servers.workspace.watch import usage


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has it")
async def test_without_a_sandbox_the_server_does_not_start_and_says_what_to_install(root: Path) -> None:
    with pytest.raises(Unavailable, match=r"sandbox-exec: it is not .*Install bubblewrap .*apt-get install"):
        async with part(WorkspaceSettings(workspace=root, sandbox="sandbox-exec")).open():
            pass


def test_bubblewrap_that_is_not_there_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="not installed"):
        Bubblewrap().check()


def test_bubblewrap_that_may_make_no_namespace_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="No permissions to create new namespace"):
        Bubblewrap().check()


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has one sandbox only")
def test_one_that_works_is_taken() -> None:
    assert choose().name in {"bwrap", "sandlock"}


def test_a_toolchain_on_path_is_seen_without_what_stands_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for name in (
        ".cargo/bin",
        ".cargo/lib",
        ".cargo/registry",
        "venv/bin",
        ".local/bin",
        ".local/share/keyrings",
        "bin",
    ):
        (home / name).mkdir(parents=True)
    (home / "venv/pyvenv.cfg").touch()
    (home / ".cargo/credentials.toml").touch()
    folders = [home / ".cargo/bin", home / "venv/bin", home / ".local/bin", home / "bin", home, Path("relative")]
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    seen = {str(path.relative_to(home)) for path in system() if path.is_relative_to(home)}
    assert seen == {".cargo/bin", ".cargo/lib", "venv", ".local/bin", "bin"}
    assert not any(home.is_relative_to(path) for path in system())


def test_macos_gets_a_profile_that_denies_what_it_does_not_name(root: Path, private: Private) -> None:
    said = profile(Order(["true"], root, root, private, {}, git=True, door=Door(port=4321)))
    assert said.splitlines()[:2] == ["(version 1)", "(deny default)"]
    assert f'(subpath "{root}")' in said
    assert f'(deny file-write* (subpath "{root}/.git/config") (subpath "{root}/.git/hooks"))' in said
    assert '(remote ip "localhost:4321")' in said
    assert "network" not in profile(Order(["true"], root, root, private, {}))


def test_a_folders_name_cannot_end_its_place_in_the_profile(tmp_path: Path, private: Private) -> None:
    evil = tmp_path / 'x") (allow default) ("'
    assert "\n(allow default)" not in profile(Order(["true"], evil, evil, private, {}))
    assert r"x\") (allow default) (\"" in profile(Order(["true"], evil, evil, private, {}))


@pytest.mark.parametrize("said", [{"hosts": 5}, {"everything": True}, "all", {"git": "maybe"}])
def test_leave_that_is_malformed_is_refused(said: object) -> None:
    with pytest.raises(InvalidInput, match=META):
        leave_of({META: said})


def test_no_leave_is_none() -> None:
    assert leave_of(None) == leave_of({"rig/request_id": "x"}) == NO_LEAVE


def test_files_with_several_names_count_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    once = usage([tmp_path]).bytes
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    (tmp_path / "out").symlink_to("/usr")
    found = usage([tmp_path])
    assert (found.bytes - once < 10_000, found.files) == (True, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose child a process is")
def test_no_more_of_a_family_is_looked_for_than_asked() -> None:
    assert len(family(1, 2)) <= 3
    assert family(os.getpid(), 100)[0] == os.getpid()


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_control_group_of_a_killed_process_is_forgotten() -> None:
    mine = cgroup.group(777)
    if mine is None:
        return  # where there can be none there is nothing to forget
    left = mine.with_name("rig-999999999-5")
    left.mkdir()
    assert cgroup.group(778) is not None
    assert not left.exists()
