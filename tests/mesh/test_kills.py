"""kill -9 in the middle of each phase of the demo, of one part or another: the issue still ends merged, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from rig.embedded.cluster import Cluster
from tests.mesh.watching import Watch, merged_once, watched

pytestmark = pytest.mark.timeout(400)
PHASES = (
    "ISSUE_APPROVED",
    "ISSUE_ASSIGNED",
    "WORK_STARTED",
    "BRANCH_CREATED",
    "TOKEN_USAGE",
    "PR_CREATED",
    "CI_FAILED",
    "REVIEW_ASSIGNED",
    "REVIEW_DISPUTED",
    "REVIEW_PASSED",
    "MERGE_GATE_PASSED",
)
Kill = Callable[[Watch], Awaitable[None]]


async def conductor(watch: Watch) -> None:
    """The whole of `rig up` but its PostgreSQL, which lives on without it until the next start."""
    await watch.stage.rig.kill()
    await watch.stage.rig.start()


async def database(watch: Watch) -> None:
    """PostgreSQL, which the rig starts again."""
    data = Cluster.at(watch.stage.folder / "rig" / "postgres").data
    kill(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))


async def developer(watch: Watch) -> None:
    """Whichever process of the developer the rig started last."""
    kill(watch.pid("dev-e-python"))


async def reviewer(watch: Watch) -> None:
    """Whichever process of the reviewer the rig started last."""
    kill(watch.pid("review-e"))


def kill(pid: int | None) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("victim", "phases"), [(conductor, PHASES[::4]), (database, PHASES[1::3])])
async def test_what_dies_in_many_phases_costs_nothing_but_time(victim: Kill, phases: Sequence[str]) -> None:
    async with watched() as watch:
        await watch.stage.file_issue(0)
        for phase in phases:
            await watch.next(phase)
            await victim(watch)
        await merged_once(watch)


async def test_agents_that_die_in_every_phase_are_replaced_and_their_work_goes_on() -> None:
    async with watched() as watch:
        await watch.stage.file_issue(0)
        for phase in ("ISSUE_ASSIGNED", "WORK_STARTED", "BRANCH_CREATED", "TOKEN_USAGE", "PR_CREATED", "CI_FAILED"):
            await watch.next(phase)
            await developer(watch)
        for phase in ("REVIEW_ASSIGNED", "REVIEW_DISPUTED", "REVIEW_PASSED"):
            await watch.next(phase)
            await reviewer(watch)
        await merged_once(watch)
        assert not {"AGENT_STUCK", "LEASE_EXPIRED"} & set(watch.kinds())


async def test_everything_that_dies_at_once_goes_on_where_it_was() -> None:
    async with watched(agents=2) as watch:
        await watch.stage.file_issue(0)
        await watch.next("ISSUE_ASSIGNED", kind="rework")
        await watch.next("WORK_STARTED")
        for victim in (developer, reviewer, database, conductor):
            await victim(watch)
        await merged_once(watch)
        assert not {"AGENT_STUCK", "LEASE_EXPIRED"} & set(watch.kinds())


async def test_a_kill_in_the_middle_of_a_write_to_github_leaves_it_done_once() -> None:
    async with watched() as watch:
        github = watch.stage.github
        await github.fault("slow", "*/repos/*/pulls", method="POST", seconds=2)
        await github.fault("slow", "*/pulls/*/merge", method="PUT", seconds=2)
        await watch.stage.file_issue(0)
        await watch.fault_met("*/repos/*/pulls")
        await developer(watch)
        await watch.fault_met("*/pulls/*/merge")
        await conductor(watch)
        await merged_once(watch)
