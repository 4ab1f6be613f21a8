"""What an issue has to do with others is read from GitHub in one call of get_issue."""

from __future__ import annotations

from typing import Any

import pytest

from servers.kit.repository import FILE, LONGEST
from tests.github.conftest import OTHER, TALLY, Rig

ISSUE = {"repository": TALLY, "number": 1, "relations": True}


async def identity(rig: Rig, repository: str, number: int) -> int:
    return (await rig.double.api("GET", f"/repos/{repository}/issues/{number}", "ada")).json()["id"]


async def relations(rig: Rig) -> Any:
    return (await (await rig.service()).call("get_issue", **ISSUE))["relations"]


async def test_nothing_is_read_unless_it_is_asked_for(rig: Rig) -> None:
    assert (await (await rig.service()).call("get_issue", repository=TALLY, number=1))["relations"] is None
    assert await relations(rig) == {
        "sub_issues": [],
        "blocked_by": [],
        "pull_requests": [],
        "comments": [],
        "templates": [],
        "settings": "",
    }


async def test_sub_issues_and_blockers_are_told_wherever_they_stand(rig: Rig) -> None:
    second = await rig.double.file_issue(TALLY, "Second", "It should.", token="ada")
    await rig.double.label_issue(TALLY, second, "agent-ready", token="ada")
    path = f"/repos/{TALLY}/issues/1"
    child, blocker = await identity(rig, TALLY, second), await identity(rig, OTHER, 1)
    assert (await rig.double.api("POST", f"{path}/sub_issues", "ada", {"sub_issue_id": child})).status_code == 201
    added = await rig.double.api("POST", f"{path}/dependencies/blocked_by", "ada", {"issue_id": blocker})
    assert added.status_code == 201
    told = await relations(rig)
    ready = ["agent-ready"]
    assert told["sub_issues"] == [{"repository": TALLY, "number": second, "state": "open", "labels": ready}]
    assert told["blocked_by"] == [{"repository": OTHER, "number": 1, "state": "open", "labels": []}]
    await rig.double.api("PATCH", f"/repos/{OTHER}/issues/1", "ada", {"state": "closed"})
    await rig.double.api("DELETE", f"{path}/sub_issue", "ada", {"sub_issue_id": child})
    told = await relations(rig)
    assert (told["sub_issues"], told["blocked_by"][0]["state"]) == ([], "closed")


async def test_open_pull_requests_that_close_the_issue_are_told(rig: Rig) -> None:
    number = (await rig.pull())["number"]
    [pull] = (await relations(rig))["pull_requests"]
    assert (pull["number"], pull["author"], pull["head_ref"], pull["fork"]) == (
        number,
        "rig-dev[bot]",
        "feature/one",
        False,
    )
    await rig.double.api("PATCH", f"/repos/{TALLY}/pulls/{number}", "dev", {"state": "closed"})
    assert (await relations(rig))["pull_requests"] == []


async def test_the_rigs_own_comments_are_told_from_those_of_people(rig: Rig) -> None:
    service = await rig.service()
    await service.call("comment_on_issue", repository=TALLY, number=1, body="Which one?", key="ask")
    await rig.double.add_identity("eve", "eve")
    for who, body in (("ada", "The first."), ("eve", "None <!-- rig:ask -->")):
        await rig.double.api("POST", f"/repos/{TALLY}/issues/1/comments", who, {"body": body})
    said = [(one["author"], one["ours"], one["trusted"], one["bot"]) for one in (await relations(rig))["comments"]]
    assert said[1:] == [("ada", False, True, False), ("eve", False, False, False)]
    assert said[0][1]


async def test_issue_templates_are_told_without_their_heads(rig: Rig) -> None:
    files: dict[str, str | None] = {
        ".github/ISSUE_TEMPLATE/bug.md": "---\nname: Bug\n---\n## What happens\n",
        ".github/ISSUE_TEMPLATE.md": "Describe it.\n",
    }
    await rig.double.push_files(TALLY, "main", files, login="ada")
    assert (await relations(rig))["templates"] == ["## What happens\n", "Describe it.\n"]


@pytest.mark.parametrize(
    ("text", "shown"), [("stack: go\n", "stack: go\n"), (f"stack: go # {'é' * LONGEST}\n", None), (None, "")]
)
async def test_the_repositorys_settings_are_told_as_far_as_they_may_be_valid(
    rig: Rig, text: str | None, shown: str | None
) -> None:
    await rig.double.push_files(TALLY, "main", {FILE: text, "a.md": "Else nothing changes."}, login="ada")
    assert (await relations(rig))["settings"] == shown


async def test_a_folder_under_the_settings_name_is_not_shown_as_settings(rig: Rig) -> None:
    await rig.double.push_files(TALLY, "main", {f"{FILE}/a": "A folder."}, login="ada")
    assert (await relations(rig))["settings"] in ("", None)


async def test_an_issue_is_closed_and_opened_once(rig: Rig) -> None:
    service = await rig.service()
    asked = {"repository": TALLY, "number": 1, "state": "closed"}
    assert (await service.call("update_issue", **asked))["changed"]
    assert not (await service.call("update_issue", **asked))["changed"]
    assert (await service.call("get_issue", repository=TALLY, number=1))["state"] == "closed"
    assert (await service.call("update_issue", **asked | {"state": "open"}))["changed"]
