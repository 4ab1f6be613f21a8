"""What a repository becomes is followed: its name, its owner, its end."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from conductor.intake.reconcile import Reconciler
from conductor.intake.sight import RECONCILE, Sights
from conductor.intake.translate import AccountSeen, IssueSeen, RepositorySeen
from conductor.merge.gate import Policy
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.wake import background
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID
from tests.fixtures_waiting import Eventually

NEW = "acme/count"


@pytest.fixture
def github() -> MemoryGitHub:
    return MemoryGitHub()


@pytest.fixture
def reconciler(store: Store, github: MemoryGitHub) -> Reconciler:
    return Reconciler(Sights(store, github, Policy(), [REPOSITORY]))


async def test_one_that_is_gone_is_said_once_until_it_is_back(reconciler: Reconciler, github: MemoryGitHub) -> None:
    github.label(1)
    github.gone.add(REPOSITORY)
    with capture_logs() as logs:
        assert [await reconciler.once() for _ in range(3)] == [0, 0, 0]
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["could not reconcile"]
    github.gone.clear()
    assert await reconciler.once() == 1


async def test_issues_follow_its_new_name_and_the_old_one_still_leads_there(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool, store: Store
) -> None:
    github.label(1)
    await reconciler.once()
    github.renamed[REPOSITORY] = NEW
    seen = RepositorySeen(NEW, REPOSITORY_ID, REPOSITORY)
    rang = store.wake.count(RECONCILE)
    assert await reconciler.sights.follow(seen) is None
    assert store.wake.count(RECONCILE) == rang + 1
    assert await pool.fetchval("SELECT repository FROM issues") == NEW
    for name in (NEW, REPOSITORY, NEW.upper()):
        assert await reconciler.sights.enrolment.current(name) == NEW
        assert await reconciler.sights.follow(IssueSeen(name, 1)) is None
    await reconciler.sights.follow(seen)
    types = [row["type"] for row in await pool.fetch("SELECT type FROM events ORDER BY position")]
    assert types == ["ISSUE_APPROVED", "REPOSITORY_RENAMED"]


async def test_one_that_is_not_enrolled_is_ignored_whatever_its_name_was(
    reconciler: Reconciler, github: MemoryGitHub
) -> None:
    seen = RepositorySeen("acme/other", 5, "acme/another")
    assert await reconciler.sights.follow(seen) == "acme/other is not enrolled."
    assert await reconciler.sights.follow(AccountSeen("widgets")) == "No repository of widgets is enrolled."
    assert await reconciler.sights.follow(AccountSeen("Acme")) is None
    github.gone.add(REPOSITORY)
    said = await reconciler.sights.follow(RepositorySeen(REPOSITORY))
    assert said == f"{REPOSITORY} is gone, or the rig may not see it."


async def test_a_change_of_the_whole_repository_has_it_reconciled_at_once(
    reconciler: Reconciler, github: MemoryGitHub, pool: Pool, eventually: Eventually
) -> None:
    async with background(reconciler.run()):
        await eventually(lambda: github.calls["ready_issues"] == 1)
        github.label(1)
        await reconciler.sights.follow(AccountSeen("acme"))
        await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM issues"))
