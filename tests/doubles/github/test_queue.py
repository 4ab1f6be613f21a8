"""The merge queue tests what it lands together with the base."""

from __future__ import annotations

import pytest

from rig.doubles.github.client import GitHubDouble
from tests.doubles.github.support import ADA, DEV, SECRET, Receiver
from tests.fixtures_waiting import Eventually

REPO = "ada/queued"
WORKFLOW = """\
on: [merge_group]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: test ! -e both.txt || test ! -e new.txt
"""
ENQUEUE = "mutation($id: ID!) { enqueuePullRequest(input: {pullRequestId: $id}) { mergeQueueEntry { state } } }"

DEQUEUE = "mutation($id: ID!) { dequeuePullRequest(input: {id: $id}) { mergeQueueEntry { id } } }"


@pytest.mark.parametrize("breaks", [False, True], ids=["lands", "is put out"])
async def test_what_is_queued_is_tested_with_the_base_and(
    github: GitHubDouble, hooks: Receiver, breaks: bool
) -> None:
    files = {"a.txt": "a\n", ".github/workflows/ci.yml": WORKFLOW}
    await github.seed_repository(REPO, files=files, permissions={"rig-dev[bot]": "write"})
    await github.add_webhook(hooks.url, SECRET, repository=REPO)
    await github.push_files(REPO, "feature/x", {"new.txt": "new\n"}, login="rig-dev[bot]")
    body = {"title": "New", "head": "feature/x", "base": "main"}
    pull = (await github.api("POST", f"/repos/{REPO}/pulls", DEV, body)).json()
    await github.push_files(REPO, "main", {("both.txt" if breaks else "b.txt"): "b\n"}, login="ada")
    await github.protect(REPO, merge_queue=True)
    queued = await github.graphql(ENQUEUE, {"id": pull["node_id"]}, DEV)
    assert "errors" not in queued
    await github.settle()
    after = (await github.api("GET", f"/repos/{REPO}/pulls/{pull['number']}", ADA)).json()
    assert after["merged"] is not breaks
    names = hooks.names()
    assert "merge_group.checks_requested" in names
    assert "merge_group.destroyed" in names
    assert ("pull_request.dequeued" in names) is breaks
    branches = (await github.api("GET", f"/repos/{REPO}/branches", ADA)).json()
    assert sorted(branch["name"] for branch in branches) == ["feature/x", "main"]


@pytest.mark.parametrize("said", ["success", "failure", None], ids=["lands", "fails", "is waited for"])
async def test_a_check_that_the_base_demands_has_to_report_at_the_merge_group(
    github: GitHubDouble, hooks: Receiver, eventually: Eventually, said: str | None
) -> None:
    await github.seed_repository(REPO, files={"a.txt": "a\n"}, permissions={"rig-dev[bot]": "write"})
    await github.add_webhook(hooks.url, SECRET, repository=REPO)
    head = await github.push_files(REPO, "feature/x", {"new.txt": "new\n"}, login="rig-dev[bot]")
    body = {"title": "New", "head": "feature/x", "base": "main"}
    pull = (await github.api("POST", f"/repos/{REPO}/pulls", DEV, body)).json()
    seconds = 30 if said else 0.2
    await github.protect(REPO, merge_queue=True, required_checks=["gate"], queue_seconds=seconds)
    await github.api("POST", f"/repos/{REPO}/statuses/{head}", DEV, {"state": "success", "context": "gate"})
    assert "errors" not in await github.graphql(ENQUEUE, {"id": pull["node_id"]}, DEV)
    if said:
        await eventually(lambda: "merge_group.checks_requested" in hooks.names())
        group = hooks.payload("merge_group.checks_requested")["merge_group"]["head_sha"]
        status = {"state": said, "context": "gate"}
        assert (await github.api("POST", f"/repos/{REPO}/statuses/{group}", DEV, status)).status_code == 201
    await github.settle()
    after = (await github.api("GET", f"/repos/{REPO}/pulls/{pull['number']}", ADA)).json()
    assert after["merged"] is (said == "success")
    if said != "success":
        reason = hooks.payload("pull_request.dequeued")["reason"]
        assert reason == ("CI_FAILURE" if said else "CI_TIMEOUT")


async def test_who_leaves_the_queue_is_not_landed(github: GitHubDouble, hooks: Receiver) -> None:
    await github.seed_repository(REPO, files={"a.txt": "a\n"}, permissions={"rig-dev[bot]": "write"})
    await github.add_webhook(hooks.url, SECRET, repository=REPO)
    head = await github.push_files(REPO, "feature/x", {"new.txt": "new\n"}, login="rig-dev[bot]")
    body = {"title": "New", "head": "feature/x", "base": "main"}
    pull = (await github.api("POST", f"/repos/{REPO}/pulls", DEV, body)).json()
    await github.protect(REPO, merge_queue=True, required_checks=["gate"])
    await github.api("POST", f"/repos/{REPO}/statuses/{head}", DEV, {"state": "success", "context": "gate"})
    await github.graphql(ENQUEUE, {"id": pull["node_id"]}, DEV)
    left = await github.graphql(DEQUEUE, {"id": pull["node_id"]}, DEV)
    assert left["data"]["dequeuePullRequest"]["mergeQueueEntry"]["id"].startswith("MQE_")
    again = await github.graphql(DEQUEUE, {"id": pull["node_id"]}, DEV)
    assert again["errors"][0]["message"] == "Pull request is not in the queue"
    await github.settle()
    assert (await github.api("GET", f"/repos/{REPO}/pulls/{pull['number']}", ADA)).json()["merged"] is False
    assert hooks.payload("pull_request.dequeued")["reason"] == "MANUAL"
