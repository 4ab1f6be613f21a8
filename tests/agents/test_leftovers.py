"""What a killed process left: who may take it, what is ended, what goes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from agents.leftovers import end_orphans, take
from agents.run_folder import RunFolder, Unfinished, discard

WORK = Unfinished(issue="ada/tally#12", kind="implement", branch="feature/issue-12-double", head="a" * 40)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def killed(runs: Path, work: Unfinished | None = WORK) -> Path:
    """The folder of a process that had no time to clean up."""
    place = RunFolder(runs)
    place.note(work)
    os.close(place._lock)  # pyright: ignore[reportPrivateUsage] - as the system does for who is killed
    return place.path


@contextmanager
def sleeping(**environment: str) -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], **environment}) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_process_that_lives_keeps_what_it_has(runs: Path) -> None:
    with RunFolder(runs) as place:
        place.note(WORK)
        assert take(runs) is None
        assert (place.path / "tree").is_dir()
    assert not list(runs.iterdir())


def test_unfinished_work_is_handed_over_once_and_goes_when_it_is_dropped(runs: Path) -> None:
    folder = killed(runs)
    left = take(runs)
    assert left is not None
    assert (left.folder, left.work) == (folder, WORK)
    assert take(runs) is None
    left.drop()
    assert not list(runs.iterdir())


def test_what_holds_no_work_goes_at_once(runs: Path) -> None:
    killed(runs, None)
    (runs / "moved-aside").mkdir()
    assert take(runs) is None
    assert not list(runs.iterdir())


def test_of_several_the_newest_is_handed_over(runs: Path) -> None:
    old, new = killed(runs), killed(runs)
    os.utime(old, (1, 1))
    left = take(runs)
    assert left is not None
    assert left.folder == new
    assert not old.exists()


@pytest.mark.parametrize("said", [b"", b"{", b'{"issue": "x"}', b"\xff", WORK.model_dump_json().encode() + b"x"])
def test_a_note_that_cannot_be_read_is_no_work(runs: Path, said: bytes) -> None:
    killed(runs).with_suffix(".json").write_bytes(said)
    assert take(runs) is None
    assert not list(runs.iterdir())


def test_nothing_is_left_where_nobody_was(runs: Path) -> None:
    assert take(runs) is None


def test_what_a_command_made_unwritable_goes_too(runs: Path) -> None:
    folder = killed(runs)
    outside = runs.parent / "outside"
    outside.mkdir()
    locked = folder / "tree" / "locked" / "deeper"
    locked.mkdir(parents=True)
    (locked / "file").write_text("x")
    (locked / "link").symlink_to(outside)
    for each in (locked, locked.parent):
        each.chmod(0o500)
    discard(folder)
    assert not list(runs.iterdir())
    assert outside.is_dir()


def test_processes_of_a_dead_run_are_ended_with_their_children_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    script = "sleep 60 & echo $!; wait"
    environment = {"PATH": os.environ["PATH"], "RIG_WORKSPACE": f"{folder}/tree"}
    with (
        sleeping(PWD=str(folder)) as shell,
        sleeping(OTHER=str(tmp_path)) as other,
        subprocess.Popen(["env", *(f"{k}={v}" for k, v in environment.items()), "sh", "-c", script],
                         stdout=subprocess.PIPE, text=True) as mine,
    ):  # fmt: skip
        assert mine.stdout is not None
        child = int(mine.stdout.readline())
        assert end_orphans([folder]) == 2
        assert not [pid for pid in (mine.pid, child) if psutil.pid_exists(pid) and not zombie(pid)]
        assert (shell.poll(), other.poll()) == (None, None)


def zombie(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_is_just_being_born_is_left_alone(runs: Path) -> None:
    runs.mkdir()
    (runs / "abc.new").touch()
    assert take(runs) is None
    assert (runs / "abc.new").exists()
