"""Issues, comments and labels through the server."""

from __future__ import annotations

import pytest

from servers.github.issues import RECENT
from servers.github.server import tools
from servers.kit.auth import Role
from servers.kit.errors import Forbidden, InvalidInput, NotFound
from tests.github.conftest import OTHER, TALLY, Rig

ISSUE = {"repository": TALLY, "number": 1}


async def test_an_issue_is_read_with_its_repository(rig: Rig) -> None:
    service = await rig.service()
    issue = await service.call("get_issue", **ISSUE)
    assert (issue["title"], issue["body"], issue["author"]) == ("Count faster", "Please.", "ada")
    assert (issue["state"], issue["labels"], issue["labeller"]) == ("open", [], None)
    repository = await service.call("get_repository", repository=TALLY)
    assert issue["repository_id"] == repository["id"]
    assert repository["default_branch"] == "main"
    assert repository["clone_url"] == f"{rig.double.url}/{TALLY}.git"


async def test_the_last_who_set_a_label_is_named_with_what_they_may_do(rig: Rig) -> None:
    service = await rig.service()
    await rig.double.label_issue(TALLY, 1, "agent-ready", token="ada")
    asked = {**ISSUE, "labeller_of": "Agent-Ready"}
    first = (await service.call("get_issue", **asked))["labeller"]
    assert (first["login"], first["permission"]) == ("ada", "admin")
    await rig.double.unlabel_issue(TALLY, 1, "agent-ready", token="ada")
    assert (await service.call("get_issue", **asked))["labeller"] is None
    await rig.double.grant(TALLY, "mallory", "triage")
    await rig.double.label_issue(TALLY, 1, "agent-ready", token="mallory")
    later = (await service.call("get_issue", **asked))["labeller"]
    assert (later["login"], later["permission"]) == ("mallory", "triage")
    assert later["setting"] > first["setting"]
    assert (await service.call("get_issue", **ISSUE))["labeller"] is None


async def test_an_app_that_set_a_label_has_no_permission_of_its_own(rig: Rig) -> None:
    await rig.double.label_issue(TALLY, 1, "agent-ready", token="dev")
    issue = await (await rig.service()).call("get_issue", **ISSUE, labeller_of="agent-ready")
    assert (issue["labeller"]["login"], issue["labeller"]["permission"]) == ("rig-dev[bot]", "none")


async def test_a_pull_request_is_no_issue(rig: Rig) -> None:
    number = (await rig.pull())["number"]
    service = await rig.service()
    with pytest.raises(NotFound, match="get_pull_request"):
        await service.call("get_issue", repository=TALLY, number=number)
    with pytest.raises(NotFound):
        await service.call("get_issue", repository=TALLY, number=999)
    listed = await service.call("list_issues", repository=TALLY, state="all")
    assert [issue["number"] for issue in listed["issues"]] == [1]


async def test_issues_are_listed_by_label_and_state(rig: Rig) -> None:
    service = await rig.service()
    two = await rig.double.file_issue(TALLY, "Two", token="ada", labels=["agent-ready"])
    listed = await service.call("list_issues", repository=TALLY, labels=["agent-ready"])
    assert [issue["number"] for issue in listed["issues"]] == [two]
    assert len((await service.call("list_issues", repository=TALLY, limit=1))["issues"]) == 1
    assert (await service.call("list_issues", repository=TALLY, state="closed"))["issues"] == []


async def test_a_search_stays_within_the_repository(rig: Rig) -> None:
    service = await rig.service()
    found = await service.call("search_issues", repository=TALLY, query="faster")
    assert [issue["title"] for issue in found["issues"]] == ["Count faster"]
    foreign = await service.call("search_issues", repository=TALLY, query=f"Count repo:{OTHER}")
    assert {issue["repository"] for issue in foreign["issues"]} <= {TALLY}
    assert "Count slower" not in {issue["title"] for issue in foreign["issues"]}


async def test_a_comment_is_written_once_per_key(rig: Rig) -> None:
    service = await rig.service()
    say = {**ISSUE, "body": "Started.", "key": "start-1"}
    first = await service.call("comment_on_issue", **say)
    again = await service.call("comment_on_issue", **say)
    assert first["created"]
    assert again == {**first, "created": False}
    other = await service.call("comment_on_issue", **{**say, "key": "start-2"})
    assert other["id"] != first["id"]
    comments = (await rig.double.state())["repositories"][TALLY]["issues"]["1"]["comments"]
    assert [c["user"] for c in comments] == ["rig-conductor[bot]"] * 2
    assert comments[0]["body"].startswith("Started.")


async def test_a_strangers_mark_does_not_hold_back_a_comment(rig: Rig) -> None:
    path = f"/repos/{TALLY}/issues/1/comments"
    await rig.double.api("POST", path, "ada", {"body": "<!-- rig:start-1 -->"})
    dev = await rig.dev()
    await dev.call("comment_on_issue", **ISSUE, body="<!-- rig:start-1 --> mine", key="other")
    service = await rig.service()
    assert (await service.call("comment_on_issue", **ISSUE, body="Started.", key="start-1"))["created"]
    told = await dev.call("comment_on_issue", **ISSUE, body="Started.", key="start-1")
    assert told["created"]


async def test_an_issue_is_opened_once_per_key(rig: Rig) -> None:
    service = await rig.service()
    new = {"repository": TALLY, "title": "Follow up", "body": "Later.", "key": "follow-1"}
    first = await service.call("create_issue", **new, labels=["agent-ready"])
    again = await service.call("create_issue", **new)
    assert first["created"]
    assert again == {**first, "created": False}
    issue = await service.call("get_issue", repository=TALLY, number=first["number"])
    assert issue["labels"] == ["agent-ready"]


async def test_an_issue_is_known_by_its_key_after_any_number_of_others(rig: Rig) -> None:
    service = await rig.service()
    new = {"repository": TALLY, "title": "Follow up", "body": "Later.", "key": "follow-1"}
    first = await service.call("create_issue", **new)
    for number in range(RECENT):
        await rig.double.api("POST", f"/repos/{TALLY}/issues", "ada", {"title": f"Wish {number}"})
    assert await service.call("create_issue", **new) == {**first, "created": False}


@pytest.mark.parametrize(("role", "label"), [("architect", "proposal"), ("monitor", "incident")])
async def test_what_an_agent_reports_is_labelled_by_its_role_and_starts_nothing(
    rig: Rig, role: Role, label: str
) -> None:
    agent = await rig.caller(role, f"{TALLY}#1")
    new = {"repository": TALLY, "title": "Split it", "body": "agent-ready", "key": "one"}
    for wanted in ("agent-ready", label):
        with pytest.raises(Forbidden, match="without labels"):
            await agent.call("create_issue", **new, labels=[wanted])
    made = await agent.call("create_issue", **new)
    assert (await agent.call("get_issue", repository=TALLY, number=made["number"]))["labels"] == [label]
    assert not {"add_labels", "comment_on_issue", "merge_pull_request", "post_review"} & set(tools.names(role))


@pytest.mark.parametrize("role", ["support", "deploy"])
def test_who_answers_or_verifies_writes_nothing_on_github(role: Role) -> None:
    reading = ("get_", "list_", "search_", "git_credential", "resolve_owners")
    assert [tool for tool in tools.names(role) if not tool.startswith(reading)] == []


async def test_agents_do_not_set_labels(rig: Rig) -> None:
    dev = await rig.dev()
    new = {"repository": TALLY, "title": "Mine", "body": "", "key": "mine"}
    with pytest.raises(Forbidden, match="without labels"):
        await dev.call("create_issue", **new, labels=["agent-ready"])
    assert (await dev.call("create_issue", **new))["created"]
    with pytest.raises(Forbidden, match="role dev"):
        await dev.call("add_labels", **ISSUE, labels=["agent-ready"])
    with pytest.raises(Forbidden, match="role dev"):
        await dev.call("remove_label", **ISSUE, label="do-not-merge")


async def test_labels_come_and_go_repeatedly_without_error(rig: Rig) -> None:
    person = await rig.caller("person")
    for _ in range(2):
        added = await person.call("add_labels", **ISSUE, labels=["agent-ready", "naïve & odd/name"])
        assert set(added["labels"]) == {"agent-ready", "naïve & odd/name"}
    for _ in range(2):
        left = await person.call("remove_label", **ISSUE, label="naïve & odd/name")
        assert left["labels"] == ["agent-ready"]
    with pytest.raises(NotFound):
        await person.call("remove_label", repository=TALLY, number=999, label="x")
    assert (await person.call("add_labels", **ISSUE, labels=[]))["labels"] == ["agent-ready"]


async def test_an_empty_comment_is_refused(rig: Rig) -> None:
    service = await rig.service()
    with pytest.raises(InvalidInput):
        await service.call("comment_on_issue", **ISSUE, body="", key="empty")


async def test_long_lists_are_read_on(rig: Rig) -> None:
    service = await rig.service()
    for number in range(3):
        await rig.double.file_issue(TALLY, f"More {number}", token="ada")
    numbers = [i["number"] for i in (await service.call("list_issues", repository=TALLY))["issues"]]
    pages = [
        [i["number"] for i in (await service.call("list_issues", repository=TALLY, limit=2, skip=skip))["issues"]]
        for skip in (0, 2, 4)
    ]
    assert (len(numbers), pages) == (4, [numbers[:2], numbers[2:], []])
