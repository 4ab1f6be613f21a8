"""Whether a head is what was approved with the base merged in: git says so, and nobody sees the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.doubles.github.plumbing import git
from servers.github.mirrors import Mirrors
from servers.kit.errors import Forbidden, NotFound, Unavailable
from tests.github.conftest import OTHER, TALLY, Rig

MERGE = ("-c", "user.name=a", "-c", "user.email=a@example.com", "merge", "--no-edit", "-q")


@pytest.fixture
async def updated(rig: Rig) -> dict[str, Any]:
    """A pull request whose base has moved on and was merged in by the rig: head, and the merge as `merged`."""
    pull = await rig.pull()
    await rig.double.push_files(TALLY, "main", {"base.txt": "moved\n"}, login="ada")
    service = await rig.service()
    ends = {"repository": TALLY, "number": pull["number"]}
    assert (await service.call("update_branch", **ends, head_sha=pull["head_sha"]))["updated"]
    merged = (await service.call("get_pull_request", **ends))["head_sha"]
    assert merged != pull["head_sha"]
    return {"repository": TALLY, "head_sha": pull["head_sha"], "base": "main", "merged_sha": merged}


async def test_the_rigs_own_update_is_clean_also_after_the_base_moved_again(
    rig: Rig, updated: dict[str, Any]
) -> None:
    service = await rig.service()
    assert await service.call("is_clean_merge", **updated) == {"clean": True}
    await rig.double.push_files(TALLY, "main", {"base.txt": "moved again\n"}, login="ada")
    assert await service.call("is_clean_merge", **updated) == {"clean": True}


async def test_what_somebody_pushed_on_top_is_not(rig: Rig, updated: dict[str, Any]) -> None:
    pushed = await rig.double.push_files(TALLY, "feature/one", {"evil.txt": "hm\n"}, login="mallory")
    service = await rig.service()
    assert await service.call("is_clean_merge", **updated | {"merged_sha": pushed}) == {"clean": False}


async def test_neither_is_a_merge_that_changes_something_or_brings_another_branch(
    rig: Rig, updated: dict[str, Any], tmp_path: Path
) -> None:
    clone = await _clone(rig, updated, tmp_path)
    await git(clone, *MERGE, "--no-commit", "origin/main")
    (clone / "evil.txt").write_text("hm\n")
    evil = await _pushed(clone, "evil")
    await git(clone, "checkout", "-q", "-B", "side", "origin/main")
    (clone / "side.txt").write_text("aside\n")
    await _pushed(clone, "side")
    await git(clone, "checkout", "-q", "--detach", updated["head_sha"])
    await git(clone, *MERGE, "side")
    foreign = await _pushed(clone, "foreign")
    service = await rig.service()
    for merged in (evil, foreign, updated["head_sha"]):
        assert await service.call("is_clean_merge", **updated | {"merged_sha": merged}) == {"clean": False}


async def test_another_head_than_the_approved_one_is_not_stood_for(rig: Rig, updated: dict[str, Any]) -> None:
    service = await rig.service()
    base = (await rig.double.api("GET", f"/repos/{TALLY}/commits/main", "ada")).json()["sha"]
    assert await service.call("is_clean_merge", **updated | {"head_sha": base}) == {"clean": False}


async def test_a_commit_that_is_gone_is_not_found(rig: Rig, updated: dict[str, Any]) -> None:
    service = await rig.service()
    with pytest.raises(NotFound):
        await service.call("is_clean_merge", **updated | {"merged_sha": "e" * 40})
    with pytest.raises(NotFound):
        await service.call("is_clean_merge", **updated | {"base": "nowhere"})


async def test_only_servers_may_ask(rig: Rig, updated: dict[str, Any]) -> None:
    for caller in (await rig.dev(), await rig.reviewer(), await rig.caller("person")):
        with pytest.raises(Forbidden):
            await caller.call("is_clean_merge", **updated)


async def test_the_key_is_neither_on_disk_nor_in_what_is_said(
    rig: Rig, updated: dict[str, Any], tmp_path: Path
) -> None:
    mirrors = Mirrors(rig.double.url, 100, tmp_path / "mirrors")
    ends = (updated["head_sha"], "main", updated["merged_sha"])
    assert await mirrors.is_clean_merge(TALLY, "conductor", *ends)
    kept = _read(tmp_path / "mirrors")
    assert b"refs/heads" in kept
    assert b"conductor" not in kept
    assert b"Authorization" not in kept
    with pytest.raises((Unavailable, NotFound)) as refused:
        await mirrors.is_clean_merge(OTHER, "sesame-key", *ends)
    assert "sesame" not in str(refused.value)
    mirrors.close()
    assert _read(tmp_path / "mirrors") == b""


async def test_the_mirrors_stay_within_their_size(rig: Rig, updated: dict[str, Any], tmp_path: Path) -> None:
    mirrors = Mirrors(rig.double.url, 0, tmp_path / "mirrors")
    assert await mirrors.is_clean_merge(TALLY, "conductor", updated["head_sha"], "main", updated["merged_sha"])
    assert _read(tmp_path / "mirrors") == b""


async def test_without_a_git_that_can_tell_nothing_is_carried(rig: Rig, updated: dict[str, Any]) -> None:
    mirrors = Mirrors(rig.double.url, 1, needed=(99, 0))
    ends = (updated["head_sha"], "main", updated["merged_sha"])
    assert not await mirrors.is_clean_merge(TALLY, "conductor", *ends)


async def _clone(rig: Rig, updated: dict[str, Any], folder: Path) -> Path:
    url = f"{rig.double.url}/{TALLY}.git".replace("http://", "http://x:dev@")
    await git(folder, "clone", "-q", url, "clone")
    await git(folder / "clone", "checkout", "-q", "--detach", updated["head_sha"])
    return folder / "clone"


async def _pushed(clone: Path, branch: str) -> str:
    await git(clone, "add", "-A")
    await git(clone, "-c", "user.name=a", "-c", "user.email=a@x.com", "commit", "-q", "--allow-empty", "-m", "more")
    await git(clone, "push", "-q", "-f", "origin", f"HEAD:refs/heads/x-{branch}")
    return (await git(clone, "rev-parse", "HEAD")).text.strip()


def _read(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
