"""Work that has to wait goes on where it was: for something critical, and for an agent that is told to leave."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from rig.demo.stage import REPOSITORY
from tests.mesh.watching import Watch, watched

pytestmark = pytest.mark.timeout(300)
SECONDS = 0.2  # so long takes each of the 60 turns that a run has, and more than one heartbeat all of them


async def test_critical_work_goes_first_and_what_it_interrupted_goes_on_from_its_own_commit() -> None:
    async with watched(RIG_LEASE_SECONDS="6") as watch:
        waiting = f"{REPOSITORY}#{await watch.stage.file_issue(1)}"
        await watch.stage.model.fault(
            "endless_tools", matching="Accept durations written like a clock", skip=3, times=400, seconds=SECONDS
        )
        await edited(watch, waiting)
        urgent = f"{REPOSITORY}#{await watch.stage.file_issue(2)}"
        await watch.find("ISSUE_APPROVED", urgent)
        await watch.ask("prioritize_issue", issue=urgent, priority="critical")
        parked = await watch.find("ISSUE_UNASSIGNED", waiting, reason="parked")
        assert urgent in parked["data"]["note"]
        await watch.find("ISSUE_ASSIGNED", urgent)
        await watch.stage.model.clear_faults()
        await watch.all_done({waiting, urgent})
        went_on(watch, waiting)


async def test_an_agent_that_is_told_to_leave_saves_its_work_and_the_next_goes_on() -> None:
    async with watched(RIG_LEASE_SECONDS="6") as watch:
        issue = f"{REPOSITORY}#{await watch.stage.file_issue(1)}"
        await watch.stage.model.fault("endless_tools", skip=3, times=400, seconds=SECONDS)
        await edited(watch, issue)
        pid = watch.pid("dev-e-python")
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        await watch.find("ISSUE_UNASSIGNED", issue, reason="parked")
        await watch.stage.model.clear_faults()
        await watch.all_done({issue})
        went_on(watch, issue)


async def edited(watch: Watch, issue: str) -> None:
    """Wait until the run on `issue` has changed files and goes round in circles."""
    await watch.find("BRANCH_CREATED", issue)
    await watch.logged(tools=["mcp__workspace__list_files"], turn=4)


def went_on(watch: Watch, issue: str) -> None:
    """One attempt on one branch, without a strike, whose pull request contains what was parked."""
    events = [event for event in watch.events if event["issue"] == issue]
    kinds = [event["type"] for event in events]
    assert not {"AGENT_STUCK", "LEASE_EXPIRED", "ESCALATED"} & set(kinds), watch.story()
    claims = [event["data"] for event in events if event["type"] == "ISSUE_ASSIGNED"]
    assert {(claim["attempt"], claim["branch"]) for claim in claims} == {(1, claims[0]["branch"])}
    (created,) = (event["data"] for event in events if event["type"] == "PR_CREATED")
    trusted = ("-c", f"safe.directory={watch.stage.bare}")
    said = subprocess.run(
        ["git", *trusted, "log", "--format=%s|%(trailers:key=Rig-Parked,valueonly)", f"{created['head']}^", "-1"],
        cwd=watch.stage.bare,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.startswith("chore: work in progress on #")
