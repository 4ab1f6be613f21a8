from __future__ import annotations

from pathlib import Path

import pytest

from rig.demo.proof import commits_on_main, prove, run
from rig.doubles.demo.seed import write_repository
from servers.kit.errors import Conflict


async def repository(folder: Path, **files: str) -> tuple[Path, str]:
    """The demo's repository with one more commit; its path and that commit."""
    work = folder / "work"
    work.mkdir()
    write_repository(work)
    await run("git", "init", "--quiet", "--initial-branch", "main", cwd=work)
    await commit(work, "Initial commit")
    for name, text in files.items():
        (work / name).write_text(text)
    await commit(work, "feat: more\n\nRig-Issue: ada/tally#1")
    return work / ".git", (await run("git", "rev-parse", "main", cwd=work)).strip()


async def commit(work: Path, message: str) -> None:
    await run("git", "add", "--all", cwd=work)
    who = ("-c", "user.name=Dev-E", "-c", "user.email=dev-e@example.com")
    await run("git", *who, "commit", "--quiet", "--allow-empty", "--message", message, cwd=work)


async def test_a_merge_on_main_whose_tests_pass_is_proven(tmp_path: Path) -> None:
    bare, sha = await repository(tmp_path)
    (found,) = await prove(bare, [sha])
    assert found.author == "Dev-E <dev-e@example.com>"
    assert "Rig-Issue: ada/tally#1" in found.text


async def test_a_merge_that_is_not_on_main_is_no_proof(tmp_path: Path) -> None:
    bare, _ = await repository(tmp_path)
    with pytest.raises(Conflict, match="main holds 0 of 1"):
        await prove(bare, ["f" * 40])


async def test_a_merge_that_came_twice_or_a_commit_that_nobody_asked_for_is_no_proof(tmp_path: Path) -> None:
    bare, sha = await repository(tmp_path)
    with pytest.raises(Conflict):
        await prove(bare, [sha, sha])
    with pytest.raises(Conflict, match="holds 2 commits"):
        await prove(bare, [])


async def test_a_main_whose_own_tests_fail_is_no_proof(tmp_path: Path) -> None:
    bare, sha = await repository(tmp_path, **{"tests/test_wrong.py": "raise SystemExit('broken')\n"})
    assert len(await commits_on_main(bare)) == 2
    with pytest.raises(Conflict, match="failed with"):
        await prove(bare, [sha])
