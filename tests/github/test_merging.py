"""Merging through the server: at the seen head, once."""

from __future__ import annotations

from typing import Any

import pytest

from servers.kit.errors import Conflict, Forbidden, NotFound
from tests.github.conftest import TALLY, Rig

SLOW = """\
on: [merge_group]
jobs:
  tests:
    runs-on: ubuntu-latest
    steps:
      - run: sleep 3
"""


def _merge(pull: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"title": "feat: one\n (#2)", "message": "Rig-Issue: ada/tally#1"}
    return {"repository": TALLY, "number": pull["number"], "head_sha": pull["head_sha"]} | said | more


async def test_a_pull_request_is_squashed_once_with_our_words(rig: Rig) -> None:
    pull = await rig.pull()
    service = await rig.service()
    first = await service.call("merge_pull_request", **_merge(pull))
    again = await service.call("merge_pull_request", **_merge(pull))
    assert first == again == {"merged": True, "sha": first["sha"]}
    commit = (await rig.double.api("GET", f"/repos/{TALLY}/commits/main", "ada")).json()
    assert commit["sha"] == first["sha"]
    assert commit["commit"]["message"] == "feat: one (#2)\n\nRig-Issue: ada/tally#1"
    read = await service.call("get_pull_request", repository=TALLY, number=pull["number"])
    assert (read["state"], read["merged_sha"]) == ("merged", first["sha"])
    issue = await service.call("get_issue", repository=TALLY, number=1)
    assert issue["state"] == "closed"


async def test_another_head_than_the_seen_one_is_not_merged(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.push_files(TALLY, "feature/one", {"more.txt": "more\n"}, login="rig-dev[bot]")
    service = await rig.service()
    with pytest.raises(Conflict, match="The head of"):
        await service.call("merge_pull_request", **_merge(pull))
    with pytest.raises(NotFound):
        await service.call("merge_pull_request", **_merge(pull, number=999))


async def test_what_cannot_be_merged_is_a_conflict_in_githubs_words(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.push_files(TALLY, "main", {"app.py": "all new\n"}, login="ada")
    with pytest.raises(Conflict, match="not mergeable"):
        await (await rig.service()).call("merge_pull_request", **_merge(pull))


async def test_a_rule_of_the_branch_is_named(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.protect(TALLY, branch="main", required_checks=["deploy"])
    with pytest.raises(Conflict, match="deploy"):
        await (await rig.service()).call("merge_pull_request", **_merge(pull))


async def test_agents_do_not_merge(rig: Rig) -> None:
    pull = await rig.pull()
    for agent in (await rig.dev(), await rig.reviewer()):
        with pytest.raises(Forbidden, match="it needs ops or person or service"):
            await agent.call("merge_pull_request", **_merge(pull))


async def test_a_pull_request_enters_the_merge_queue_once(rig: Rig) -> None:
    await rig.double.protect(TALLY, branch="main", merge_queue=True, required_checks=["tests"])
    pull = await rig.pull()
    await rig.double.settle()
    service = await rig.service()
    at = {"repository": TALLY, "number": pull["number"]}
    with pytest.raises(Conflict):
        await service.call("merge_pull_request", **_merge(pull))
    with pytest.raises(Conflict):
        await service.call("enqueue_pull_request", **at, head_sha="0" * 40)
    first = await service.call("enqueue_pull_request", **at, head_sha=pull["head_sha"])
    assert first["queued"]


async def test_a_pull_request_leaves_the_merge_queue_and_one_that_is_in_none_stays_as_it_is(rig: Rig) -> None:
    await rig.double.protect(TALLY, branch="main", merge_queue=True)
    await rig.double.push_files(TALLY, "main", {".github/workflows/ci.yml": SLOW}, login="ada")
    pull = await rig.pull()
    service = await rig.service()
    at = {"repository": TALLY, "number": pull["number"]}
    assert await service.call("dequeue_pull_request", **at) == {"dequeued": False}
    await service.call("enqueue_pull_request", **at, head_sha=pull["head_sha"])
    assert await service.call("dequeue_pull_request", **at) == {"dequeued": True}
    assert await service.call("dequeue_pull_request", **at) == {"dequeued": False}
    await rig.double.settle()
    seen = await service.call("get_pull_request_snapshot", **at)
    assert (seen["state"], seen["in_merge_queue"]) == ("open", False)
    with pytest.raises(NotFound):
        await service.call("dequeue_pull_request", repository=TALLY, number=999)
