"""What was done with a commit, alone or within later ones."""

from __future__ import annotations

from typing import Any

from tests.github.conftest import TALLY, Rig


async def _head(rig: Rig) -> str:
    return (await rig.double.state())["repositories"][TALLY]["refs"]["refs/heads/main"]


async def _rollout(rig: Rig, sha: str) -> Any:
    return await (await rig.service()).call("get_rollout", repository=TALLY, sha=sha)


async def test_a_commit_that_nobody_deployed_has_nothing(rig: Rig) -> None:
    assert await _rollout(rig, await _head(rig)) == {"deployments": [], "runs": []}


async def test_deployments_and_runs_of_a_commit_are_read(rig: Rig) -> None:
    sha = await _head(rig)
    first = await rig.double.deploy(TALLY, sha, "staging", "failure", "ada")
    second = await rig.double.deploy(TALLY, sha, "staging", "success", "ada")
    await rig.double.ran(TALLY, "Smoke", sha, "success", "ada")
    found = await _rollout(rig, sha)
    assert [(d["id"], d["environment"], d["state"]) for d in found["deployments"]] == [
        (second, "staging", "success"),
        (first, "staging", "failure"),
    ]
    assert [(r["name"], r["conclusion"], r["attempt"], r["sha"]) for r in found["runs"]] == [
        ("Smoke", "success", 1, sha)
    ]


async def test_a_later_commit_that_contains_it_counts_and_one_that_does_not_is_left_out(rig: Rig) -> None:
    before = await _head(rig)
    await rig.double.push_files(TALLY, "main", {"NEWS.md": "one\n"}, login="ada")
    sha = await _head(rig)
    await rig.double.push_files(TALLY, "main", {"NEWS.md": "two\n"}, login="ada")
    later = await _head(rig)
    for at in (before, later):
        await rig.double.deploy(TALLY, at, "production", "success", "ada")
        await rig.double.ran(TALLY, "Smoke", at, "failure", "ada")
    found = await _rollout(rig, sha)
    assert [d["sha"] for d in found["deployments"]] == [later]
    assert [r["sha"] for r in found["runs"]] == [later]


async def test_a_deployment_that_another_one_replaced_keeps_how_it_went(rig: Rig) -> None:
    sha = await _head(rig)
    await rig.double.deploy(TALLY, sha, "production", "success", "ada")
    await rig.double.push_files(TALLY, "main", {"NEWS.md": "two\n"}, login="ada")
    await rig.double.deploy(TALLY, await _head(rig), "production", "success", "ada")
    assert [d["state"] for d in (await _rollout(rig, sha))["deployments"]] == ["success", "success"]
