"""The double in a process of its own, as the demo runs it, and PyGithub against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
from github import Auth, Github, GithubException, UnknownObjectException

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, DEV, MALLORY, REPO, REVIEW, SEED, clone, pull_request


@pytest.fixture
async def process(tmp_path: Path) -> AsyncGenerator[GitHubDouble]:
    async with GitHubDouble.start(tmp_path / "github", seed=SEED) as double:
        yield double


def pygithub(url: str, token: str) -> Github:
    return Github(auth=Auth.Token(token), base_url=f"{url}/api/v3", retry=None)


def drive(url: str, number: int) -> str:
    """An issue and a pull request through PyGithub's own classes."""
    mine, theirs = pygithub(url, DEV).get_repo(REPO), pygithub(url, REVIEW).get_repo(REPO)
    issue = pygithub(url, ADA).get_repo(REPO).create_issue("One", body="It is.", labels=["bug"])
    assert [label.name for label in mine.get_issue(issue.number).get_labels()] == ["bug"]
    assert [event.actor.login for event in issue.get_events()] == ["ada"]
    assert issue.create_comment("Hm").user.login == "ada"
    assert mine.get_contents("calc.py", ref="fix").decoded_content.startswith(b"def add")  # type: ignore[union-attr]
    assert mine.get_collaborator_permission("mallory") == "read"
    pull = mine.get_pull(number)
    assert [file.filename for file in pull.get_files()] == ["calc.py"]
    assert [commit.commit.author.name for commit in pull.get_commits()] == ["Dev-E"]
    head = mine.get_commit(pull.head.sha)
    review = theirs.get_pull(number).create_review(commit=head, body="Good", event="APPROVE")
    assert (review.state, review.user.login) == ("APPROVED", "rig-review[bot]")
    head.create_status("success", context="rig/gate", description="all there")
    assert [run.name for run in head.get_check_runs()] == ["test"]
    assert head.get_combined_status().state == "success"
    with pytest.raises(UnknownObjectException):
        mine.get_pull(99)
    with pytest.raises(GithubException, match="409"):
        pull.merge(sha="f" * 40, merge_method="squash")
    return pull.merge(sha=pull.head.sha, merge_method="squash", commit_title="fix", commit_message="why").sha


async def test_pygithub_takes_a_pull_request_from_open_to_merged(process: GitHubDouble, tmp_path: Path) -> None:
    copy = await clone(process.clone_url(REPO, DEV), tmp_path / "copy")
    number = await pull_request(process, copy)
    await process.settle()
    merged = await asyncio.to_thread(drive, process.url, number)
    state = (await process.state())["repositories"][REPO]
    assert state["refs"]["refs/heads/main"] == merged
    assert state["pulls"][str(number)]["state"] == "merged"


async def test_pygithub_is_told_what_it_may_not_do(process: GitHubDouble) -> None:
    def attempt() -> tuple[int, int]:
        with pytest.raises(GithubException) as denied:
            pygithub(process.url, MALLORY).get_repo(REPO).create_git_ref("refs/heads/x", "0" * 40)
        with pytest.raises(GithubException) as unknown:
            pygithub(process.url, "nonsense").get_user().login  # noqa: B018 - reading it asks
        return denied.value.status, unknown.value.status

    assert await asyncio.to_thread(attempt) == (403, 401)


async def test_the_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    async with GitHubDouble.start(tmp_path / "github") as double:
        assert (await double.admin("GET", "/health"))["ok"] is True
    with pytest.raises(httpx2.ConnectError):
        await double.http.get("/_double/health")


async def test_the_same_seed_makes_the_same_commits(tmp_path: Path) -> None:
    heads: set[str] = set()
    for name in ("one", "two"):
        async with GitHubDouble.here(tmp_path / name, seed=SEED) as double:
            heads.add((await double.state())["repositories"][REPO]["refs"]["refs/heads/main"])
    assert len(heads) == 1


async def test_a_directory_becomes_a_repository_with_its_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "run").write_text("#!/bin/sh\n")
    (source / "bin" / "run").chmod(0o755)
    (source / "bin" / 'odd "name" é.txt').write_bytes(b"\x00\xff")
    async with GitHubDouble.here(tmp_path / "github", seed=SEED) as double:
        made = await double.seed_repository("ada/tools", directory=source)
        copy = await clone(double.clone_url("ada/tools"), tmp_path / "copy")
    assert (copy.folder / "bin" / "run").stat().st_mode & 0o111
    assert (copy.folder / "bin" / 'odd "name" é.txt').read_bytes() == b"\x00\xff"
    assert made["clone_url"].endswith("/ada/tools.git")
