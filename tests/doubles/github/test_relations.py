"""Sub-issues and dependencies over REST, with the webhooks that GitHub sends for them."""

from __future__ import annotations

from typing import Any

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, MALLORY, REPO, Receiver

ISSUES = f"/repos/{REPO}/issues"


async def two(github: GitHubDouble) -> list[Any]:
    """Two issues as REST shows them."""
    numbers = [await github.file_issue(REPO, title, "It is.", token=ADA) for title in ("One", "Two")]
    return [(await github.api("GET", f"{ISSUES}/{number}", ADA)).json() for number in numbers]


async def listed(github: GitHubDouble, path: str) -> list[int]:
    return [one["number"] for one in (await github.api("GET", f"{ISSUES}/{path}", ADA)).json()]


async def test_a_child_has_one_parent_and_is_nobodys_ancestor(github: GitHubDouble, hooks: Receiver) -> None:
    parent, child = await two(github)
    family = f"{ISSUES}/{parent['number']}/sub_issues"
    assert (await github.api("POST", family, ADA, {"sub_issue_id": child["id"]})).status_code == 201
    assert (await github.api("POST", family, ADA, {"sub_issue_id": child["id"]})).status_code == 422
    upside_down = f"{ISSUES}/{child['number']}/sub_issues"
    assert (await github.api("POST", upside_down, ADA, {"sub_issue_id": parent["id"]})).status_code == 422
    assert (await github.api("POST", family, MALLORY, {"sub_issue_id": child["id"]})).status_code == 403
    assert await listed(github, f"{parent['number']}/sub_issues") == [child["number"]]
    assert (await github.api("GET", f"{ISSUES}/{child['number']}/parent", ADA)).json()["number"] == parent["number"]
    gone = await github.api("DELETE", f"{ISSUES}/{parent['number']}/sub_issue", ADA, {"sub_issue_id": child["id"]})
    assert (gone.status_code, await listed(github, f"{parent['number']}/sub_issues")) == (200, [])
    assert (await github.api("GET", f"{ISSUES}/{child['number']}/parent", ADA)).status_code == 404
    await github.settle()
    told = [name for name in hooks.names() if name.startswith("sub_issues")]
    assert told == ["sub_issues.sub_issue_added", "sub_issues.sub_issue_removed"]


async def test_an_issue_is_blocked_by_another_until_that_is_taken_away(github: GitHubDouble, hooks: Receiver) -> None:
    issue, blocker = await two(github)
    path = f"{ISSUES}/{issue['number']}/dependencies/blocked_by"
    assert (await github.api("POST", path, ADA, {"issue_id": blocker["id"]})).status_code == 201
    assert (await github.api("POST", path, ADA, {"issue_id": issue["id"]})).status_code == 422
    assert (await github.api("POST", path, ADA, {"issue_id": 1})).status_code == 404
    assert await listed(github, f"{issue['number']}/dependencies/blocked_by") == [blocker["number"]]
    assert await listed(github, f"{blocker['number']}/dependencies/blocking") == [issue["number"]]
    assert (await github.api("DELETE", f"{path}/{blocker['id']}", ADA)).status_code == 200
    assert await listed(github, f"{issue['number']}/dependencies/blocked_by") == []
    await github.settle()
    told = [name for name in hooks.names() if name.startswith("issue_dependencies")]
    assert told == ["issue_dependencies.blocked_by_added", "issue_dependencies.blocked_by_removed"]
