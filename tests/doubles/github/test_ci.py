"""CI that really runs what the repository's workflow says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from rig.doubles.github import GitHubDouble
from rig.doubles.github.workflow import WorkflowInvalid, read
from tests.doubles.github.support import ADA, REPO, Receiver

HEAD = "on: [push]\njobs:\n"


async def runs_of(github: GitHubDouble, workflow: str, **files: str) -> dict[str, dict[str, Any]]:
    """Push a workflow to main and answer its check runs by name."""
    sha = await github.push_files(REPO, "main", {".github/workflows/ci.yml": workflow, **files}, login="ada")
    await github.settle()
    found = (await github.api("GET", f"/repos/{REPO}/commits/{sha}/check-runs", ADA)).json()
    return {run["name"]: run for run in found["check_runs"]}


async def test_each_job_is_a_check_run_with_its_log(github: GitHubDouble) -> None:
    runs = await runs_of(
        github,
        HEAD + "  good:\n    steps: [{run: echo fine}]\n  bad:\n    name: It breaks\n    steps:\n"
        "      - run: |\n          echo before\n          false\n          echo never\n      - run: echo later\n",
    )
    assert {name: run["conclusion"] for name, run in runs.items()} == {"good": "success", "It breaks": "failure"}
    log = runs["It breaks"]["output"]["text"]
    assert "before" in log
    assert "\nnever" not in log
    assert log.endswith("##[error]Process completed with exit code 1.\n")
    assert runs["good"]["app"]["slug"] == "github-actions"


async def test_a_pipe_fails_where_any_part_fails_and_an_unset_variable_is_an_error(github: GitHubDouble) -> None:
    runs = await runs_of(
        github,
        HEAD + "  pipe:\n    steps: [{run: false | true}]\n  unset:\n    steps: [{run: 'echo $NOT_SET'}]\n",
    )
    assert {run["conclusion"] for run in runs.values()} == {"failure"}


async def test_the_environment_holds_nothing_of_ours_but_the_interpreter(
    github: GitHubDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ours")
    workflow = (
        HEAD + "  env:\n    env: {LEVEL: job, FLAG: true}\n    steps:\n      - run: env\n        env: {LEVEL: step}\n"
    )
    workflow += "      - run: python -c 'import sys; print(sys.executable)'\n        working-directory: docs\n"
    log = (await runs_of(github, workflow))["env"]["output"]["text"]
    assert "GITHUB_TOKEN" not in log
    assert {"LEVEL=step", "FLAG=true", "CI=true", f"GITHUB_REPOSITORY={REPO}"} <= set(log.splitlines())
    assert str(Path(sys.executable).parent) in log.splitlines()[-1]


async def test_a_job_over_its_time_is_ended_with_what_it_said_and_all_it_started(github: GitHubDouble) -> None:
    workflow = (
        HEAD + "  slow:\n    timeout-minutes: 0.01\n    steps: [{run: 'echo working; sleep 600 & sleep 600'}]\n"
    )
    run = (await runs_of(github, workflow))["slow"]
    assert run["conclusion"] == "timed_out"
    assert "working" in run["output"]["text"]


async def test_what_a_step_leaves_running_neither_holds_up_ci_nor_lives_on(github: GitHubDouble) -> None:
    run = (await runs_of(github, HEAD + "  one:\n    steps: [{run: 'sleep 600 & echo started'}]\n"))["one"]
    assert run["conclusion"] == "success"


async def test_a_job_waits_for_what_it_needs_and_is_skipped_where_that_failed(github: GitHubDouble) -> None:
    workflow = HEAD + "  last: {needs: [bad], steps: [{run: echo}]}\n  bad: {needs: first, steps: [{run: exit 3}]}\n"
    runs = await runs_of(github, workflow + "  first: {steps: [{run: echo}]}\n")
    told = {name: run["conclusion"] for name, run in runs.items()}
    assert told == {"first": "success", "bad": "failure", "last": "skipped"}


async def test_a_step_may_fail_where_it_says_so(github: GitHubDouble) -> None:
    workflow = (
        HEAD + "  one:\n    steps:\n      - run: exit 1\n        continue-on-error: true\n      - run: echo on\n"
    )
    assert (await runs_of(github, workflow))["one"]["conclusion"] == "success"


@pytest.mark.parametrize("text", ["jobs: [", "on: push\n", "on: push\njobs: {a: {needs: b}, b: {needs: a}}", "x"])
async def test_a_broken_workflow_is_a_failed_check(github: GitHubDouble, text: str) -> None:
    runs = await runs_of(github, text)
    assert [run["conclusion"] for run in runs.values()] == ["failure"]
    assert runs[".github/workflows/ci.yml"]["output"]["title"] == "Invalid workflow file"


async def test_expressions_fail_plainly(github: GitHubDouble) -> None:
    run = (await runs_of(github, HEAD + "  one:\n    steps: [{run: 'echo ${{ github.sha }}'}]\n"))["one"]
    assert (run["conclusion"], "not evaluated" in run["output"]["text"]) == ("failure", True)


async def test_without_a_workflow_there_are_no_checks(github: GitHubDouble) -> None:
    sha = await github.push_files(REPO, "main", {".github/workflows/ci.yml": None}, login="ada")
    await github.settle()
    assert (await github.api("GET", f"/repos/{REPO}/commits/{sha}/check-runs", ADA)).json()["total_count"] == 0


async def test_a_log_is_also_where_github_actions_keeps_it(github: GitHubDouble) -> None:
    run = (await runs_of(github, HEAD + "  one: {steps: [{run: echo said}]}\n"))["one"]
    path = f"/repos/{REPO}/actions/jobs/{run['id']}/logs"
    asked = await github.api("GET", path, ADA)
    assert asked.status_code == 302
    github.http.event_hooks["response"] = []
    log = await github.http.get(asked.headers["location"], headers={"Authorization": f"Bearer {ADA}"})
    assert "\nsaid\n" in log.text


async def test_a_check_run_may_say_as_little_as_github_actions_does(github: GitHubDouble) -> None:
    files = {".github/workflows/ci.yml": HEAD + "  one: {steps: [{run: echo said}]}\n"}
    seed = {"name": "ada/quiet", "files": files, "actions_output": False}
    sha = (await github.admin("POST", "/repositories", seed))["refs"]["refs/heads/main"]
    await github.settle()
    found = (await github.api("GET", f"/repos/ada/quiet/commits/{sha}/check-runs", ADA)).json()["check_runs"]
    assert [(run["conclusion"], run["output"]["text"]) for run in found] == [("success", None)]


async def test_the_story_of_a_run_is_told_in_order(github: GitHubDouble, hooks: Receiver) -> None:
    await runs_of(github, HEAD + "  one: {steps: [{run: echo}]}\n  two: {steps: [{run: echo}]}\n")
    assert hooks.names() == [
        "push",
        "check_run.created",
        "check_run.created",
        "check_run.completed",
        "check_run.completed",
        "check_suite.completed",
    ]
    suite = hooks.payload("check_suite.completed")["check_suite"]
    assert (suite["conclusion"], suite["latest_check_runs_count"]) == ("success", 2)


@pytest.mark.parametrize(
    ("triggers", "event", "branch", "starts"),
    [
        ("push", "push", "main", True),
        ("push", "pull_request", "main", False),
        ("[push, pull_request]", "pull_request", "main", True),
        ("{push: {branches: [main]}}", "push", "topic", False),
        ("{push: {branches: ['release/**']}}", "push", "release/1/2", True),
        ("{push: {branches-ignore: [topic]}}", "push", "topic", False),
        ("{pull_request: null}", "pull_request", "main", True),
        ("{schedule: [{cron: '0 0 * * *'}]}", "push", "main", False),
    ],
)
def test_triggers_choose_events_and_branches(triggers: str, event: str, branch: str, starts: bool) -> None:
    plan = read("ci.yml", f"on: {triggers}\njobs: {{a: {{steps: []}}}}")
    assert plan.starts_on(event, branch) is starts


def test_a_job_that_needs_a_job_that_is_not_there_is_invalid() -> None:
    with pytest.raises(WorkflowInvalid, match="need jobs that are not there"):
        read("ci.yml", "on: push\njobs: {a: {needs: [b]}}")
