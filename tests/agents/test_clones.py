"""Clones are shared, thrown away when unused for long, and hold files ready for the next run."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agents import clones
from agents.git import Credential
from agents.workspace import WorkingCopy
from servers.kit.character import Git

if TYPE_CHECKING:
    from tests.agents.stage import Local
    from tests.fixtures_waiting import Eventually

HOLD = "import sys; from pathlib import Path; from agents.clones import Use; u = Use(Path(sys.argv[1])); {after}"
PLENTY = 1 << 40
AUTHOR = Git(name="Dev E", email="dev-e@example.org")


def clone(root: Path, name: str, age: float, size: int = 100_000) -> Path:
    """A clone of a size that was used so many seconds ago."""
    path = root / "ada" / f"{name}.git"
    path.mkdir(parents=True)
    (path / "pack").write_bytes(b"x" * size)
    (path / clones.USE).touch()
    at = (path / "pack").stat().st_mtime - age
    os.utime(path / clones.USE, (at, at))
    return path


def test_those_unused_for_longest_go_until_the_rest_fits(tmp_path: Path) -> None:
    old, older, new = (clone(tmp_path, name, age) for name, age in (("old", 50), ("older", 90), ("new", 10)))
    assert clones.trim(tmp_path, 250_000) == [older]
    assert clones.trim(tmp_path, 150_000) == [old]
    assert clones.trim(tmp_path, 150_000) == []
    assert [path.name for path in tmp_path.rglob("*.git")] == [new.name]


def test_a_clone_in_use_stays_until_its_user_is_gone(tmp_path: Path) -> None:
    used = clone(tmp_path, "used", 99)
    use = clones.Use(used)
    assert clones.trim(tmp_path, 0) == []
    del use
    assert clones.trim(tmp_path, 0) == [used]


def test_a_user_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    used = clone(tmp_path, "used", 99)
    program = HOLD.format(after="import os; os.kill(os.getpid(), 9)")
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program, str(used)], cwd=root).returncode == -9
    assert clones.trim(tmp_path, 0) == [used]


def test_what_a_killed_process_had_half_deleted_goes(tmp_path: Path) -> None:
    (tmp_path / f"{clones.GONE}x" / "objects").mkdir(parents=True)
    clones.trim(tmp_path, PLENTY)
    assert list(tmp_path.iterdir()) == []


async def test_agents_that_share_a_clone_fetch_one_after_the_other(local: Local, tmp_path: Path) -> None:
    copies = [WorkingCopy(tmp_path / "shared.git", folder(tmp_path, f"run-{n}")) for n in range(6)]
    await asyncio.gather(*(copy.fetch(local.credential) for copy in copies))
    assert {await copy.remote("main") for copy in copies} == {local.base}


async def test_the_next_run_takes_the_files_that_lie_ready_and_sees_what_changed_since(
    local: Local, tmp_path: Path, eventually: Eventually
) -> None:
    cache = tmp_path / "clone.git"
    local.copy.lay_ready(local.base, tmp_path / "clones", PLENTY)
    await eventually((cache / clones.SPARE).exists)
    made = cache / clones.SPARE / "tree" / "app.py"
    known = await asyncio.to_thread(made.stat)
    copy = WorkingCopy(cache, folder(tmp_path, "next"))
    await copy.fetch(local.credential)
    newer = await changed(local)
    await copy.check_out(newer)
    assert text(copy.tree / "app.py") == text(local.copy.tree / "app.py")
    assert (await asyncio.to_thread((copy.tree / "app.py").stat)).st_ino == known.st_ino
    assert text(copy.tree / "AGENTS.md") == "New rules.\n"
    assert await copy.stage() == await copy.tree_of(newer)
    assert not await asyncio.to_thread((cache / clones.SPARE).exists)


async def test_two_runs_do_not_take_the_same_files(local: Local, tmp_path: Path, eventually: Eventually) -> None:
    cache = tmp_path / "clone.git"
    local.copy.lay_ready(local.base, tmp_path / "clones", PLENTY)
    await eventually((cache / clones.SPARE).exists)
    both = [WorkingCopy(cache, folder(tmp_path, name)) for name in ("one", "two")]
    await asyncio.gather(*(copy.check_out(local.base) for copy in both))
    (both[0].tree / "app.py").write_text("mine\n")
    assert text(both[1].tree / "app.py") == text(local.copy.tree / "app.py") != "mine\n"


async def test_files_laid_ready_by_halves_are_not_used(local: Local, tmp_path: Path) -> None:
    half = clones.new_spare(tmp_path / "clone.git")
    await asyncio.to_thread((half / "tree" / "app.py").write_text, "half")
    copy = WorkingCopy(tmp_path / "clone.git", folder(tmp_path, "next"))
    await copy.check_out(local.base)
    assert text(copy.tree / "app.py") == text(local.copy.tree / "app.py")
    os.utime(half, (0, 0))
    await asyncio.to_thread(shutil.rmtree, clones.new_spare(tmp_path / "clone.git"))
    assert not await asyncio.to_thread(half.exists)


async def test_a_clone_that_was_thrown_away_is_made_again(local: Local, tmp_path: Path) -> None:
    root = tmp_path / "clones"
    path = root / "ada" / "tally.git"
    copy = WorkingCopy(path, folder(tmp_path, "one"))
    await copy.fetch(Credential(local.remote.as_uri()))
    del copy
    assert clones.trim(root, 0) == [path]
    again = WorkingCopy(path, folder(tmp_path, "two"))
    await again.fetch(Credential(local.remote.as_uri()))
    assert await again.remote("main") == local.base


async def changed(local: Local) -> str:
    """A commit on the base with other rules."""
    local.write("AGENTS.md", "New rules.\n")
    return await local.copy.commit(await local.copy.stage(), [local.base], "docs: rules", AUTHOR)


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / "runs" / name
    (made / "tree").mkdir(parents=True)
    return made


def text(path: Path) -> str:
    return path.read_text()
