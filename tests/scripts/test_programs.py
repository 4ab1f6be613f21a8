from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "programs.py"


@pytest.fixture
def programs() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A PATH on which only the named programs are."""

    def having(*names: str) -> None:
        for name in names:
            (tmp_path / name).touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return having


def test_what_is_not_on_path_is_missing_under_its_package_name(
    programs: dict[str, Any], machine: Callable[..., None]
) -> None:
    machine("git", "chromium", "redis-server", "rg")
    assert programs["missing"]({"git": "git", "rg": "ripgrep"}) == []
    assert programs["missing"]({"git": "git", "fd": "fd-find"}) == ["fd-find"]


def test_valkey_will_do_for_redis(programs: dict[str, Any], machine: Callable[..., None]) -> None:
    machine("valkey-server")
    assert programs["missing"]({"redis-server": "redis-server"}) == []


def test_the_command_is_the_platforms_own(programs: dict[str, Any], machine: Callable[..., None]) -> None:
    machine()
    assert programs["command"](["ripgrep"]) == "sudo apt-get install -y --no-install-recommends ripgrep"
    machine("brew")
    assert programs["command"](["ripgrep", "redis-server"]) == "brew install ripgrep redis"
