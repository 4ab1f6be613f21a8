"""The merge queue tests what it lands together with the base."""

from __future__ import annotations

import pytest

from rig.doubles.github.client import GitHubDouble
from tests.doubles.github.support import ADA, DEV, SECRET, Receiver

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
