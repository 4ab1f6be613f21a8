"""What set-up fetched comes back to the next set-up, and to nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from servers.workspace import packages
from servers.workspace.commands import Shell, environment
from servers.workspace.leave import Leave
from servers.workspace.sandbox import Private
from tests.workspace.conftest import available

FETCH = "cat ~/.npm/_cacache/x 2>/dev/null; mkdir -p ~/.npm/_cacache && echo fetched >> ~/.npm/_cacache/x"


async def test_a_set_up_has_what_an_earlier_one_of_the_base_fetched(
    root: Path, private: Private, tmp_path: Path
) -> None:
    shell, kept = Shell(available("bwrap"), root, private, environment(private.home, {})), tmp_path / "clone/packages"

    async def run(**leave: object) -> str:
        shutil.rmtree(private.folder, ignore_errors=True)  # as between two runs
        return (await shell.run(FETCH, 20, Leave.model_validate(leave))).stdout

    assert await run(packages=kept) == ""
    assert not kept.exists()
    assert await run(packages=kept, keeps=True) == ""
    assert await run() == ""
    for _ in range(2):  # what was kept lately stays as it is
        assert await run(packages=kept, keeps=True) == "fetched\n"
    os.utime(kept, (0, 0))
    assert await run(packages=kept, keeps=True) == "fetched\n"
    assert await run(packages=kept) == "fetched\nfetched\n"
    assert [path.name for path in kept.parent.iterdir()] == ["packages"]


async def test_no_link_leads_out_of_a_home(tmp_path: Path, outside: Path) -> None:
    home, kept = tmp_path / "home", tmp_path / "packages"
    (outside / "pip").mkdir()
    home.mkdir()
    (home / ".cache").symlink_to(outside)
    (home / ".npm/_cacache").mkdir(parents=True)
    (home / ".npm/_cacache/link").symlink_to(outside / "secret")
    await packages.keep(home, kept)
    assert not (kept / ".cache").exists()
    assert (kept / ".npm/_cacache/link").is_symlink()
    (kept / ".cache/uv").mkdir(parents=True)
    await packages.put_back(kept, home)
    assert not (outside / "uv").exists()
