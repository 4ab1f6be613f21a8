"""What webhooks missed is found by looking."""

from __future__ import annotations

import msgspec
import pytest

from conductor.intake.reconcile import Reconciler
from conductor.intake.sight import Sights
from conductor.intake.translate import DeploymentSeen, IssueSeen, PullSeen
from conductor.merge.deployments import Deployed, Rollout
from conductor.merge.gate import Policy
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import Forbidden, Unavailable
from tests.conductor.conftest import Approve
from tests.conductor.memory_github import MERGED_SHA, MemoryGitHub
from tests.conductor.samples import REPOSITORY, pull_request

DEPLOYS = "policy: {deployment: {production: production}}\n"


@pytest.fixture
def github() -> MemoryGitHub:
    return MemoryGitHub()


@pytest.fixture
def reconciler(store: Store, github: MemoryGitHub) -> Reconciler:
    return Reconciler(Sights(store, github, Policy(), [REPOSITORY], apps=["planner[bot]"]))


async def statuses(pool: Pool) -> dict[int, str]:
    return {row["number"]: row["status"] for row in await pool.fetch("SELECT number, status FROM issues")}


async def test_labelled_issues_are_found_and_closed_ones_noticed(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool
) -> None:
    for number in (1, 2):
        github.label(number)
    await reconciler.once()
    assert await statuses(pool) == {1: "queued", 2: "queued"}
    github.issues[2] = msgspec.structs.replace(github.issues[2], state="closed")
    assert await reconciler.once() == 2
    assert await statuses(pool) == {1: "queued", 2: "cancelled"}


@pytest.mark.parametrize("error", [Forbidden("Not yours."), Unavailable("Away."), ValueError("odd")], ids=repr)
async def test_one_issue_that_cannot_be_read_hides_no_other(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool, error: Exception
) -> None:
    for number in (1, 2, 3):
        github.label(number)
    github.failing["get_issue"] = [None, error]
    assert await reconciler.once() == 2
    assert len(await statuses(pool)) == 2


async def test_github_away_is_tried_again_at_the_next_interval(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool
) -> None:
    github.label(1)
    github.failing["ready_issues"] = [Unavailable("Away.")]
    assert await reconciler.once() == 0
    assert await reconciler.once() == 1


async def test_the_label_of_an_app_starts_work_only_where_the_app_is_listed(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool
) -> None:
    github.label(1, "Planner[bot]", "none")
    github.label(2, "other[bot]", "none")
    await reconciler.once()
    assert await statuses(pool) == {1: "queued"}


async def test_an_older_look_never_undoes_what_was_learned_meanwhile(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool
) -> None:
    """While GitHub is being read for a known issue, the label goes and comes back."""
    github.label(1)
    await reconciler.once()
    labelled = github.issues[1]

    async def meanwhile() -> None:
        github.during.clear()
        github.issues[1] = msgspec.structs.replace(labelled, labels=[], labeller=None)
        await reconciler.sights.follow(sighting)
        github.label(1, setting=2)
        await reconciler.sights.follow(sighting)

    sighting = IssueSeen(REPOSITORY, 1)
    github.during["get_issue"] = meanwhile
    await reconciler.sights.follow(sighting)
    assert await statuses(pool) == {1: "queued"}


async def test_a_pull_request_that_nobody_told_of_is_found_by_its_branch(
    reconciler: Reconciler, github: MemoryGitHub, approve: Approve, pool: Pool
) -> None:
    issue = await approve()
    github.label(issue.number)
    github.show(pull_request(issue))
    await reconciler.once()
    assert await pool.fetchval("SELECT pull_number FROM issues") == 34


async def test_a_deployment_that_nobody_told_of_is_found(
    reconciler: Reconciler, github: MemoryGitHub, approve: Approve, pool: Pool
) -> None:
    issue = await approve()
    github.label(issue.number)
    github.config = DEPLOYS
    github.show(pull_request(issue))
    await reconciler.sights.follow(PullSeen(REPOSITORY, 34))
    github.show(github.pulls[34], state="merged", merged_sha=MERGED_SHA, merged_by="ada")
    github.issues[issue.number] = msgspec.structs.replace(github.issues[issue.number], state="closed")
    await reconciler.once()
    assert await pool.fetchval("SELECT status FROM issues") == "deploying"
    landed = Deployed(id=1, environment="production", sha=MERGED_SHA, state="success")
    github.rollouts[MERGED_SHA] = Rollout(deployments=[landed])
    await reconciler.once()
    assert await pool.fetchval("SELECT status FROM issues") == "done"
    said = await reconciler.sights.follow(DeploymentSeen(REPOSITORY, MERGED_SHA))
    assert said == f"No issue of {REPOSITORY} waits for a deployment."
