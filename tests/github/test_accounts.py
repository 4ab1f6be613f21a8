"""GitHub Apps instead of tokens: installations found by repository, one App per role, narrow git tokens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from github import Auth

from rig.doubles.github.client import GitHubDouble
from servers.kit.errors import Forbidden, NotFound
from tests.github.conftest import OTHER, TALLY, Open, Rig, apps, register


async def test_each_role_acts_as_its_app(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig:
        await register(rig, app_key[1])
        say: dict[str, Any] = {"repository": TALLY, "number": 1, "body": "x"}
        callers = (await rig.dev(), await rig.reviewer(), await rig.service())
        for position, caller in enumerate(callers):
            assert (await caller.call("comment_on_issue", **say, key=str(position)))["created"]
            assert not (await caller.call("comment_on_issue", **say, key=str(position)))["created"]
        comments = (await rig.double.state())["repositories"][TALLY]["issues"]["1"]["comments"]
        names = [comment["user"] for comment in comments]
        assert names == ["the-dev[bot]", "the-reviewer[bot]", "the-conductor[bot]"]


async def test_the_whole_way_to_a_merge_works_with_apps(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig:
        await register(rig, app_key[1])
        pull = await rig.pull()
        at = {"repository": TALLY, "number": pull["number"]}
        head = {"head_sha": pull["head_sha"]}
        service = await rig.service()
        review = await service.call("post_review", **at, **head, verdict="approve", body="Fine.", key="r")
        assert review["posted_as"] == "approve"
        seen = await service.call("get_pull_request_snapshot", **at)
        assert (seen["author"], seen["reviews"][0]["author"]) == ("the-dev[bot]", "the-reviewer[bot]")
        assert (await service.call("merge_pull_request", **at, **head, title="feat: x", message=""))["merged"]


async def test_a_git_token_is_for_one_repository_and_one_purpose(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig:
        await register(rig, app_key[1])
        writing = await (await rig.dev()).call("git_credential", repository=TALLY)
        reading = await (await rig.reviewer()).call("git_credential", repository=TALLY)
        assert writing["password"].startswith("ghs_")
        assert writing["expires_at"] is not None
        await rig.double.http.patch(
            f"/api/v3/repos/{OTHER}", headers={"Authorization": "Bearer ada"}, json={"private": True}
        )
        assert await _pushes(rig, TALLY, writing["password"])
        assert not await _pushes(rig, TALLY, reading["password"])
        assert not await _pushes(rig, OTHER, writing["password"])


async def _pushes(rig: Rig, repository: str, token: str) -> bool:
    """Whether git would be let in to push."""
    git = await asyncio.create_subprocess_exec(
        "git",
        "-c",
        "credential.helper=",
        "push",
        "--dry-run",
        "--force",
        rig.double.clone_url(repository, token),
        "HEAD:refs/heads/probe",
        env={"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await git.wait() == 0


async def test_an_installations_token_given_as_a_plain_token_knows_its_name(
    open_rig: Open, app_key: tuple[str, str], double: GitHubDouble
) -> None:
    installation = await double.add_app(101, "the-conductor", app_key[1], "ada")
    assertion = Auth.AppAuth(101, app_key[0]).token
    answer = await double.api("POST", f"/app/installations/{installation}/access_tokens", assertion)
    async with open_rig(github_token=answer.json()["token"]) as rig:
        say: dict[str, Any] = {"repository": TALLY, "number": 1, "body": "x", "key": "k"}
        service = await rig.service()
        assert (await service.call("comment_on_issue", **say))["created"]
        assert not (await service.call("comment_on_issue", **say))["created"]


async def test_an_app_that_is_not_installed_says_so(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig:
        await rig.double.add_app(101, "the-conductor", app_key[1], "mallory")
        with pytest.raises(NotFound, match=r"the-conductor\[bot\] is not installed on ada/tally"):
            await (await rig.service()).call("get_issue", repository=TALLY, number=1)


async def test_an_unknown_app_is_refused_in_githubs_words(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig:
        with pytest.raises(Forbidden, match="credential"):
            await (await rig.service()).call("get_issue", repository=TALLY, number=1)


async def test_an_installation_is_looked_up_once_for_many_calls(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig:
        await register(rig, app_key[1])
        service = await rig.service()
        for _ in range(4):
            await service.call("get_issue", repository=TALLY, number=1)
        paths = [request["path"] for request in await rig.double.requests()]
        assert paths.count(f"/api/v3/repos/{TALLY}/installation") == 1
        assert sum(path.endswith("/access_tokens") for path in paths) == 1
