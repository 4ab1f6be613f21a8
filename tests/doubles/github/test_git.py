"""Git over smart HTTP: who may read and push, and what a push sets off."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from rig.doubles.github import GitHubDouble
from rig.doubles.github.plumbing import GitFailed, git
from tests.doubles.github.support import ADA, DEV, MALLORY, REPO, Copy, Receiver, clone, pull_request


async def test_a_public_repository_is_cloned_by_anybody(github: GitHubDouble, tmp_path: Path) -> None:
    copy = await clone(github.clone_url(REPO), tmp_path / "anonymous")
    assert (copy.folder / "calc.py").exists()
    await git(tmp_path, "clone", "-q", "--depth", "1", f"{github.url}/{REPO}", "shallow")
    assert (tmp_path / "shallow" / ".git" / "shallow").exists()


@pytest.mark.parametrize(
    ("token", "words"),
    [(None, "could not read"), (MALLORY, "Repository not found"), ("nonsense", "Authentication failed")],
)
async def test_a_private_repository_is_closed(
    github: GitHubDouble, tmp_path: Path, token: str | None, words: str
) -> None:
    await github.seed_repository("ada/secret", private=True, files={"a": "b"})
    with pytest.raises(GitFailed, match=words):
        await clone(github.clone_url("ada/secret", token), tmp_path / "copy")
    asked = await github.http.get("/ada/secret.git/info/refs?service=git-upload-pack")
    assert asked.headers["www-authenticate"] == 'Basic realm="GitHub"'


async def test_a_reader_does_not_push(github: GitHubDouble, tmp_path: Path) -> None:
    copy = await clone(github.clone_url(REPO, MALLORY), tmp_path / "copy")
    await copy.commit("mine", README_md="Mine.\n")
    with pytest.raises(GitFailed, match="403"):
        await copy.push()
    assert (await github.state())["repositories"][REPO]["refs"].keys() == {"refs/heads/main"}


async def test_a_protected_branch_is_only_merged_into(github: GitHubDouble, copy: Copy) -> None:
    await github.protect(REPO, restrict_pushes=True)
    before = await copy.head()
    await copy.commit("straight to main", README_md="Mine.\n")
    with pytest.raises(GitFailed, match="GH006: Protected branch update failed for refs/heads/main"):
        await copy.push()
    await copy.git("push", "-q", "origin", "HEAD:refs/heads/topic")
    assert (await github.state())["repositories"][REPO]["refs"]["refs/heads/main"] == before
    number = await pull_request(github, copy)
    merged = await github.api("PUT", f"/repos/{REPO}/pulls/{number}/merge", DEV, {"merge_method": "squash"})
    assert merged.status_code == 200


async def test_a_push_is_told_with_its_commits(github: GitHubDouble, copy: Copy, hooks: Receiver) -> None:
    before = await copy.head()
    await copy.git("rm", "-q", "docs/usage.md")
    await copy.commit("docs: less", README_md="# Less\n")
    after = await copy.commit("feat: more", more_py="more = 1\n")
    await copy.push()
    await github.settle()
    told = hooks.payload("push")
    assert (told["ref"], told["before"], told["after"]) == ("refs/heads/main", before, after)
    assert (told["created"], told["forced"], told["pusher"]["name"]) == (False, False, "rig-dev[bot]")
    assert [(c["message"], c["added"], c["removed"], c["modified"]) for c in told["commits"]] == [
        ("docs: less", [], ["docs/usage.md"], ["README.md"]),
        ("feat: more", ["more.py"], [], []),
    ]
    assert told["head_commit"]["id"] == after


async def test_a_forced_push_says_so_and_moves_the_pull_request(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    await copy.git("commit", "-q", "--amend", "-m", "fix: otherwise")
    await copy.push("--force")
    await github.settle()
    pull = (await github.api("GET", f"/repos/{REPO}/pulls/{number}", DEV)).json()
    assert (pull["head"]["sha"], pull["commits"]) == (await copy.head(), 1)
    assert [p["forced"] for name, _, p in hooks.taken if name == "push"] == [False, True]


async def test_several_refs_move_in_one_push(github: GitHubDouble, copy: Copy, hooks: Receiver) -> None:
    await copy.git("tag", "v1")
    await copy.git("push", "-q", "origin", "HEAD:refs/heads/a", "HEAD:refs/heads/b", "v1")
    await copy.git("push", "-q", "origin", ":a", "HEAD:refs/heads/c")
    await github.settle()
    told = [(p["ref"], p["created"], p["deleted"]) for name, _, p in hooks.taken if name == "push"]
    assert told == [
        ("refs/heads/a", True, False),
        ("refs/heads/b", True, False),
        ("refs/tags/v1", True, False),
        ("refs/heads/a", False, True),
        ("refs/heads/c", True, False),
    ]


async def test_pull_requests_are_fetched_by_number_and_never_pushed(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    await copy.git("fetch", "-q", "origin", f"refs/pull/{number}/head:seen")
    assert (await copy.git("rev-parse", "seen")).text.strip() == await copy.head()
    with pytest.raises(GitFailed, match="hidden ref"):
        await copy.git("push", "-q", "origin", f"main:refs/pull/{number}/head")


async def test_a_big_push_arrives_whole(github: GitHubDouble, copy: Copy) -> None:
    noise = "".join(f"{n * 7919 % 1000003:x}\n" for n in range(400_000))
    await copy.commit("chore: a lot", noise_txt=noise)
    await copy.push()
    refs = (await github.state())["repositories"][REPO]["refs"]
    assert refs["refs/heads/main"] == await copy.head()


async def test_bodies_may_be_compressed(github: GitHubDouble) -> None:
    answer = await github.http.post(
        f"/{REPO}.git/git-upload-pack",
        content=gzip.compress(b"0014command=ls-refs\n00010000"),
        headers={
            "Content-Encoding": "gzip",
            "Content-Type": "application/x-git-upload-pack-request",
            "Git-Protocol": "version=2",
        },
    )
    assert answer.status_code == 200
    assert b"refs/heads/main" in answer.content


async def test_an_expired_token_does_not_push(github: GitHubDouble, copy: Copy) -> None:
    await github.admin("POST", "/identities", {"token": "old", "login": "ada", "expires_in": -1})
    await copy.git("remote", "set-url", "origin", github.clone_url(REPO, "old"))
    with pytest.raises(GitFailed, match="Authentication failed"):
        await copy.push()


async def test_pushing_and_merging_at_once_lose_nothing(github: GitHubDouble, copy: Copy, tmp_path: Path) -> None:
    number = await pull_request(github, copy)
    other = await clone(github.clone_url(REPO, ADA), tmp_path / "other")
    await other.commit("docs: more", README_md="# More\n")
    merge = github.api("PUT", f"/repos/{REPO}/pulls/{number}/merge", DEV, {"merge_method": "squash"})
    answer, pushed = await asyncio.gather(merge, other.git("push", "-q", "origin", "HEAD", expect=(0, 1)))
    assert answer.status_code in (200, 405)
    await other.git("fetch", "-q")
    landed = (await other.git("log", "--format=%s", "origin/main")).text.splitlines()
    assert (f"fix: fix (#{number})" in landed) is (answer.status_code == 200)
    assert ("docs: more" in landed) is (pushed.code == 0)
    assert answer.status_code == 200 or pushed.code == 0
