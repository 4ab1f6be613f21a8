"""What is built is everything that runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Tree

TEMPLATE = Path("rig/doubles/demo/repository")


@pytest.fixture(scope="module")
def wheel(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(out), str(tree.root))
    return next(out.glob("*.whl"))


def test_the_wheel_carries_every_file_of_its_packages(tree: Tree, wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {*tree.under("servers", "conductor", "agents", "dashboard", "rig"), *template(tree)}
    wanted |= {f"rig/{name}" for name in tree.under("characters")}
    assert not wanted - packed, f"Not in the wheel: {sorted(wanted - packed)}"


def test_the_wheel_brings_only_our_packages_and_the_rig_command(wheel: Path) -> None:
    packed = zipfile.ZipFile(wheel)
    folders = {name.partition("/")[0] for name in packed.namelist()}
    [info] = [name for name in folders if name.endswith(".dist-info")]
    assert folders == {"servers", "conductor", "agents", "dashboard", "rig", info}
    assert "rig = rig.cli:main" in packed.read(f"{info}/entry_points.txt").decode()


def test_the_installed_wheel_runs_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    uv(
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        sys.executable,
        "--target",
        str(site),
        str(wheel),
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    show = "import rig.cli; print(rig.cli.__file__)"
    done = subprocess.run([sys.executable, "-c", show], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(str(site)), done.stdout + done.stderr
    helped = [sys.executable, site / "bin" / "rig", "--help"]
    assert subprocess.run(helped, cwd=tmp_path, env=environment, capture_output=True).returncode == 0


def template(tree: Tree) -> Iterator[str]:
    for path in (tree.root / TEMPLATE).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(tree.root).as_posix()


def uv(*arguments: str) -> None:
    command = [Path(sys.executable).parent / "uv", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
