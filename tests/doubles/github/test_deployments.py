"""Deployments and workflow runs: held to GitHub's schemas in answers and webhooks, and told in order."""

from __future__ import annotations

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, REPO, Receiver

WHERE = f"/repos/{REPO}/deployments"


async def test_deployments_their_statuses_and_workflow_runs_are_told_and_listed(
    github: GitHubDouble, hooks: Receiver
) -> None:
    sha = (await github.state())["repositories"][REPO]["refs"]["refs/heads/main"]
    first = await github.deploy(REPO, sha, "staging", "success", ADA)
    second = await github.deploy(REPO, sha, "staging", "success", ADA)
    await github.ran(REPO, "Smoke", sha, "failure", "ada")
    await github.settle()
    listed = (await github.api("GET", f"{WHERE}?sha={sha}&environment=staging", ADA)).json()
    assert [one["id"] for one in listed] == [second, first]
    statuses = (await github.api("GET", f"{WHERE}/{first}/statuses", ADA)).json()
    assert [status["state"] for status in statuses] == ["inactive", "success"]
    runs = (await github.api("GET", f"/repos/{REPO}/actions/runs?head_sha={sha}", ADA)).json()
    assert [(run["name"], run["conclusion"]) for run in runs["workflow_runs"]] == [("Smoke", "failure")]
    told = [event for event, _, _ in hooks.taken]
    assert told == ["deployment", "deployment_status"] * 2 + ["workflow_run"]


async def test_only_writers_deploy_and_only_what_is_there(github: GitHubDouble) -> None:
    assert (await github.api("POST", WHERE, ADA, {"ref": "nowhere"})).status_code == 422
    assert (await github.api("POST", f"{WHERE}/99/statuses", ADA, {"state": "success"})).status_code == 404
    assert (await github.api("POST", WHERE, None, {"ref": "main"})).status_code in (401, 403, 404)
