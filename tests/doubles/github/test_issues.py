"""Issues over REST: filing, labelling, talking, closing, finding."""

from __future__ import annotations

from typing import Any

import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, DEV, MALLORY, REPO, Receiver

ISSUES = f"/repos/{REPO}/issues"


async def names(github: GitHubDouble, path: str) -> list[Any]:
    return [item["name"] for item in (await github.api("GET", path, ADA)).json()]


async def test_an_issue_lives_from_open_to_closed_and_back(github: GitHubDouble, hooks: Receiver) -> None:
    number = await github.file_issue(REPO, "Broken", "It is.", token=ADA)
    await github.label_issue(REPO, number, "agent-ready", "bug", token=ADA)
    await github.unlabel_issue(REPO, number, "bug", token=ADA)
    said = await github.api("POST", f"{ISSUES}/{number}/comments", DEV, {"body": "On it."})
    await github.api("PATCH", f"{ISSUES}/comments/{said.json()['id']}", DEV, {"body": "On it now."})
    await github.api("PATCH", f"{ISSUES}/{number}", ADA, {"title": "Very broken"})
    closed = await github.api("PATCH", f"{ISSUES}/{number}", ADA, {"state": "closed", "state_reason": "not_planned"})
    assert (closed.json()["state_reason"], closed.json()["closed_by"]["login"]) == ("not_planned", "ada")
    reopened = await github.api("PATCH", f"{ISSUES}/{number}", ADA, {"state": "open"})
    assert (reopened.json()["state"], reopened.json()["title"]) == ("open", "Very broken")
    await github.settle()
    assert hooks.names() == [
        "issues.opened",
        "issues.labeled",
        "issues.labeled",
        "issues.unlabeled",
        "issue_comment.created",
        "issue_comment.edited",
        "issues.edited",
        "issues.closed",
        "issues.reopened",
    ]
    assert hooks.payload("issues.labeled")["label"]["name"] == "agent-ready"


async def test_events_say_who_set_a_label(github: GitHubDouble) -> None:
    number = await github.file_issue(REPO, "Broken", token=MALLORY)
    await github.label_issue(REPO, number, "agent-ready", token=ADA)
    events = (await github.api("GET", f"{ISSUES}/{number}/events", ADA)).json()
    assert [(e["event"], e["actor"]["login"], e["label"]["name"]) for e in events] == [
        ("labeled", "ada", "agent-ready")
    ]
    timeline = (await github.api("GET", f"{ISSUES}/{number}/timeline", ADA)).json()
    assert [e["event"] for e in timeline] == ["labeled"]


async def test_a_reader_may_file_and_comment_but_neither_label_nor_close_what_others_filed(
    github: GitHubDouble,
) -> None:
    own = await github.file_issue(REPO, "Mine", token=MALLORY, labels=["agent-ready"])
    assert await names(github, f"{ISSUES}/{own}/labels") == []
    labelled = await github.api("POST", f"{ISSUES}/{own}/labels", MALLORY, {"labels": ["agent-ready"]})
    assert labelled.status_code == 403
    theirs = await github.file_issue(REPO, "Hers", token=ADA)
    assert (await github.api("PATCH", f"{ISSUES}/{theirs}", MALLORY, {"state": "closed"})).status_code == 403
    assert (await github.api("POST", f"{ISSUES}/{theirs}/comments", MALLORY, {"body": "Hi"})).status_code == 201
    assert (await github.api("PATCH", f"{ISSUES}/{own}", MALLORY, {"state": "closed"})).status_code == 200


async def test_lists_filter_by_label_and_state(github: GitHubDouble) -> None:
    first = await github.file_issue(REPO, "One", token=ADA, labels=["agent-ready", "high-priority"])
    second = await github.file_issue(REPO, "Two", token=ADA, labels=["agent-ready"])
    await github.api("PATCH", f"{ISSUES}/{second}", ADA, {"state": "closed"})

    async def numbers(query: str) -> list[int]:
        return [issue["number"] for issue in (await github.api("GET", f"{ISSUES}?{query}", ADA)).json()]

    assert await numbers("labels=agent-ready") == [first]
    assert await numbers("labels=agent-ready&state=all") == [second, first]
    assert await numbers("labels=AGENT-READY,high-priority&state=all") == [first]
    assert await numbers("state=closed&direction=asc") == [second]


async def test_pages_are_linked(github: GitHubDouble) -> None:
    for title in "abc":
        await github.file_issue(REPO, title, token=ADA)
    first = await github.api("GET", f"{ISSUES}?per_page=2&state=all", ADA)
    assert [issue["title"] for issue in first.json()] == ["c", "b"]
    last = await github.http.get(first.links["next"]["url"], headers={"Authorization": f"token {ADA}"})
    assert [issue["title"] for issue in last.json()] == ["a"]
    assert set(last.links) == {"prev", "first"}
    assert first.links["last"]["url"] == f"{github.url}/api/v3{ISSUES}?per_page=2&state=all&page=2"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"repo:{REPO} is:issue is:open", ["Second one", "First one"]),
        ("label:agent-ready", ["First one"]),
        ("-label:agent-ready is:issue", ["Second one"]),
        ('"second one"', ["Second one"]),
        ("author:mallory state:open", ["Second one"]),
        ("repo:nobody/nothing", []),
        ("is:pr", []),
    ],
)
async def test_search_understands_simple_qualifiers(github: GitHubDouble, query: str, found: list[str]) -> None:
    await github.file_issue(REPO, "First one", token=ADA, labels=["agent-ready"])
    await github.file_issue(REPO, "Second one", token=MALLORY)
    answer = await github.http.get(
        "/api/v3/search/issues", params={"q": query}, headers={"Authorization": f"Bearer {ADA}"}
    )
    assert [item["title"] for item in answer.json()["items"]] == found
    assert answer.json()["total_count"] == len(found)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", ISSUES, {"body": "no title"}, 422),
        ("POST", ISSUES, {"title": 7}, 422),
        ("GET", f"{ISSUES}/99", None, 404),
        ("DELETE", f"{ISSUES}/1/labels/nothing", None, 404),
        ("POST", f"{ISSUES}/1/comments", {"body": "x" * 65537}, 422),
        ("POST", f"{ISSUES}/1/comments", {}, 422),
        ("PATCH", f"{ISSUES}/1", {"state": "asleep"}, 422),
        ("GET", "/search/issues", None, 422),
        ("POST", f"/repos/{REPO}/labels", {"name": "Agent-Ready"}, 422),
    ],
)
async def test_wrong_requests_are_refused(
    github: GitHubDouble, method: str, path: str, body: object, status: int
) -> None:
    await github.file_issue(REPO, "One", token=ADA)
    assert (await github.api(method, path, ADA, body)).status_code == status


async def test_labels_of_the_repository_are_made_shown_and_changed(github: GitHubDouble) -> None:
    made = await github.api("POST", f"/repos/{REPO}/labels", ADA, {"name": "a/b c", "color": "ff0000"})
    assert made.status_code == 201
    changed = await github.api("PATCH", f"/repos/{REPO}/labels/a%2Fb%20c", ADA, {"description": "Both"})
    assert (changed.json()["color"], changed.json()["description"]) == ("ff0000", "Both")
    assert await names(github, f"/repos/{REPO}/labels") == ["agent-ready", "a/b c"]


async def test_assigning_is_announced(github: GitHubDouble, hooks: Receiver) -> None:
    number = await github.file_issue(REPO, "One", token=ADA)
    assigned = await github.api("POST", f"{ISSUES}/{number}/assignees", ADA, {"assignees": ["mallory"]})
    assert [user["login"] for user in assigned.json()["assignees"]] == ["mallory"]
    await github.api("DELETE", f"{ISSUES}/{number}/assignees", ADA, {"assignees": ["mallory"]})
    await github.settle()
    assert hooks.names() == ["issues.opened", "issues.assigned", "issues.unassigned"]
