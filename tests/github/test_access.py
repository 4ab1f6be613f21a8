"""Who may reach what: roles, claims, enrolled repositories."""

from __future__ import annotations

from typing import Any

import pytest

from servers.github.server import tools
from servers.kit.auth import Role
from servers.kit.errors import Fenced, Forbidden, RigError
from tests.github.conftest import OTHER, TALLY, UNLISTED, Open, Rig

SHA = "0" * 40
ARGUMENTS: dict[str, dict[str, Any]] = {
    "add_labels": {"number": 1, "labels": ["agent-ready"]},
    "comment_on_issue": {"number": 1, "body": "x", "key": "k"},
    "commit_document": {"branch": "docs/x", "path": "docs/x.md", "content": "x", "message": "docs: x"},
    "create_issue": {"title": "x", "body": "x", "key": "k"},
    "dequeue_pull_request": {"number": 2},
    "enqueue_pull_request": {"number": 2, "head_sha": SHA},
    "get_changes": {"number": 2, "head_sha": SHA, "base_sha": SHA, "contents": [], "base_files": []},
    "get_checks": {"ref": "main"},
    "get_diff": {"number": 2},
    "get_document": {"path": "README.md"},
    "get_file": {"path": "app.py"},
    "get_issue": {"number": 1},
    "get_pull_request": {"number": 2},
    "get_pull_request_snapshot": {"number": 2},
    "get_repository": {},
    "get_rollout": {"sha": SHA},
    "git_credential": {},
    "is_clean_merge": {"head_sha": SHA, "base": "main", "merged_sha": SHA},
    "list_changed_files": {"number": 2},
    "list_deliveries": {},
    "list_documents": {},
    "list_issues": {},
    "list_pull_requests": {},
    "merge_pull_request": {"number": 2, "head_sha": SHA, "title": "x", "message": "x"},
    "open_pull_request": {"head": "feature/one", "base": "main", "title": "x", "body": "x"},
    "post_review": {"number": 2, "head_sha": SHA, "verdict": "approve", "body": "x", "key": "k"},
    "redeliver": {"delivery_id": 1},
    "remove_label": {"number": 1, "label": "agent-ready"},
    "reply_to_thread": {"thread_id": "T1", "body": "x", "key": "k"},
    "resolve_owners": {"owners": []},
    "resolve_thread": {"thread_id": "T1"},
    "search_issues": {"query": "x"},
    "set_status": {"sha": SHA, "context": "x", "state": "success", "description": "x"},
    "update_branch": {"number": 2, "head_sha": SHA},
    "update_issue": {"number": 1, "state": "closed"},
    "update_pull_request": {"number": 2, "title": "x"},
}
SERVERS_ONLY = {"commit_document", "get_document", "git_credential", "is_clean_merge", "list_documents"}
STEWARDS_ONLY = {
    "add_labels",
    "dequeue_pull_request",
    "enqueue_pull_request",
    "is_clean_merge",
    "list_deliveries",
    "merge_pull_request",
    "redeliver",
    "remove_label",
    "set_status",
}


async def _writing_tools() -> list[str]:
    schemas = await tools.schemas()
    writing = [s.name for s in schemas if s.annotations and not s.annotations.read_only_hint]
    return [*writing, "git_credential"]


def test_every_tool_is_tried_below() -> None:
    assert sorted(ARGUMENTS) == tools.names()


@pytest.mark.parametrize("role", ["dev", "review"])
async def test_no_writing_tool_reaches_beyond_the_claims_repository(rig: Rig, role: Role) -> None:
    number = len(await rig.double.requests())
    holder = await rig.caller(role, f"{TALLY}#1")
    for tool in await _writing_tools():
        for repository in (OTHER, UNLISTED, "ADA/OTHER", "ada/tally2"):
            with pytest.raises(Forbidden):
                await holder.call(tool, repository=repository, **ARGUMENTS[tool])
    assert len(await rig.double.requests()) == number
    assert rig.ledger.asked == []


@pytest.mark.parametrize("role", ["dev", "review"])
async def test_no_writing_tool_works_without_a_claim_that_holds(rig: Rig, role: Role) -> None:
    number = len(await rig.double.requests())
    bare = await rig.caller(role)
    stale = await rig.caller(role, f"{TALLY}#1", fence=2)
    for tool in await _writing_tools():
        with pytest.raises(Forbidden):
            await bare.call(tool, repository=TALLY, **ARGUMENTS[tool])
        expected = Fenced if role in _roles(tool) else Forbidden
        with pytest.raises(expected):
            await stale.call(tool, repository=TALLY, **ARGUMENTS[tool])
    assert len(await rig.double.requests()) == number


def _roles(tool: str) -> set[str]:
    return {role for role in ("dev", "review") if tool in tools.names(role)}


async def test_an_agent_reads_only_the_repository_of_the_claim_it_shows(rig: Rig) -> None:
    dev = await rig.dev()
    assert (await dev.call("get_issue", repository=TALLY, number=1))["number"] == 1
    assert (await dev.call("get_issue", repository="ADA/Tally", number=1))["number"] == 1
    with pytest.raises(Forbidden, match="claim is on"):
        await dev.call("get_issue", repository=OTHER, number=1)
    bare = await rig.caller("dev")
    assert (await bare.call("get_issue", repository=OTHER, number=1))["number"] == 1


@pytest.mark.parametrize("role", ["person", "service"])
async def test_only_enrolled_repositories_are_reached_by_anybody(rig: Rig, role: Role) -> None:
    caller = await rig.caller(role)
    for tool in tools.names(role):
        with pytest.raises(Forbidden, match="RIG_REPOSITORIES"):
            await caller.call(tool, repository=UNLISTED, **ARGUMENTS[tool])


async def test_without_a_list_everything_the_credential_sees_is_reached(open_rig: Open) -> None:
    async with open_rig(repositories=[]) as rig:
        service = await rig.service()
        assert (await service.call("get_repository", repository=UNLISTED))["full_name"] == UNLISTED


async def test_what_each_role_may_call() -> None:
    everything = set(tools.names())
    assert set(tools.names("service")) == everything
    assert set(tools.names("person")) == set(tools.names("ops")) == everything - SERVERS_ONLY
    assert tools.names("hook") == []
    dev, review = set(tools.names("dev")), set(tools.names("review"))
    assert not STEWARDS_ONLY & (dev | review)
    assert not {"post_review", "resolve_thread"} & dev
    assert not {"open_pull_request", "update_pull_request", "update_branch"} & review


async def test_the_listed_tools_are_those_that_can_be_called(rig: Rig) -> None:
    listed = await (await rig.dev()).client.list_tools()
    assert [tool.name for tool in listed] == tools.names("dev")


async def test_each_role_appears_under_its_own_name_and_only_a_server_chooses(rig: Rig) -> None:
    say: dict[str, Any] = {"repository": TALLY, "number": 1, "body": "x"}
    await (await rig.dev()).call("comment_on_issue", **say, key="a")
    await (await rig.reviewer()).call("comment_on_issue", **say, key="b")
    await (await rig.caller("person")).call("comment_on_issue", **say, key="c")
    service = await rig.service()
    await service.call("comment_on_issue", **say, key="d", identity="review")
    await service.call("comment_on_issue", **say, key="e")
    comments = (await rig.double.state())["repositories"][TALLY]["issues"]["1"]["comments"]
    names = ["rig-dev[bot]", "rig-review[bot]", "rig-conductor[bot]", "rig-review[bot]", "rig-conductor[bot]"]
    assert [comment["user"] for comment in comments] == names
    for other in (await rig.dev(), await rig.caller("person")):
        with pytest.raises(Forbidden, match="only servers choose"):
            await other.call("comment_on_issue", **say, key="f", identity="review")


async def test_git_gets_the_token_of_the_role(rig: Rig) -> None:
    for agent, token in ((await rig.dev(), "dev"), (await rig.reviewer(), "review")):
        credential = await agent.call("git_credential", repository=TALLY)
        assert credential == {
            "clone_url": f"{rig.double.url}/{TALLY}.git",
            "username": "x-access-token",
            "password": token,
            "expires_at": None,
        }
    assert (await (await rig.service()).call("git_credential", repository=TALLY))["password"] == "conductor"


async def test_a_malformed_claim_opens_nothing(rig: Rig) -> None:
    for claim in ({"issue": "nonsense", "fence": 1}, {"issue": f"{TALLY}#1"}, "claim", 7):
        dev = await rig.caller("dev")
        with pytest.raises(RigError):
            await dev.client.call(
                "comment_on_issue",
                {"repository": TALLY, "number": 1, "body": "x", "key": "k"},
                {"rig/claim": claim},
            )
    assert rig.ledger.asked == []


async def test_without_any_credential_the_server_is_not_ready_and_says_what_to_set(open_rig: Open) -> None:
    nothing = {"github_token": None, "github_dev_token": None, "github_review_token": None}
    async with open_rig(**nothing) as rig:
        with pytest.raises(Forbidden, match="RIG_GITHUB_TOKEN"):
            await (await rig.service()).call("get_repository", repository=TALLY)
        ready = await rig.double.http.get(f"{rig.url}/readyz")
        assert ready.status_code == 503
        assert "RIG_GITHUB_TOKEN" in ready.text


async def test_githubs_own_refusal_is_told(open_rig: Open) -> None:
    async with open_rig(github_token="mallory") as rig:
        with pytest.raises(Forbidden, match="GitHub refuses"):
            await (await rig.service()).call("add_labels", repository=TALLY, number=1, labels=["x"])
    async with open_rig(github_token="unknown") as rig:
        with pytest.raises(Forbidden, match="credential"):
            await (await rig.service()).call("get_issue", repository=TALLY, number=1)


async def test_an_enrolled_repository_that_got_another_name_is_known_by_it_once_it_was_read(rig: Rig) -> None:
    service = await rig.service()
    with pytest.raises(Forbidden, match="not among"):
        await service.call("get_repository", repository="ada/count")
    world = rig.double.world
    renamed = world.repository(*TALLY.split("/"))
    world.repositories["ada/count"] = renamed
    renamed.name = "count"
    for name in (TALLY, "Ada/Count"):
        assert (await service.call("get_repository", repository=name))["full_name"] == "ada/count"
