"""Whether the log is sound is said in sentences."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from conductor.intake.reconcile import Reconciler
from conductor.intake.sight import Sights
from conductor.merge.gate import Policy
from conductor.store.health import problems
from conductor.store.writer import Store
from servers.kit.database import Pool
from tests.conductor.conftest import Approve
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY


@pytest.fixture
def github() -> MemoryGitHub:
    return MemoryGitHub()


@pytest.fixture
def reconciler(store: Store, github: MemoryGitHub) -> Reconciler:
    return Reconciler(Sights(store, github, Policy(), [REPOSITORY]))


async def test_a_sound_log_has_no_problems(approve: Approve, pool: Pool) -> None:
    assert await problems(pool) == []
    await approve()
    await approve()
    assert await problems(pool) == []


async def test_gaps_and_a_projection_that_lags_are_said(approve: Approve, pool: Pool, reconciler: Reconciler) -> None:
    for _ in range(3):
        await approve()
    await pool.execute("DELETE FROM events WHERE position = 2")
    await pool.execute("UPDATE issues SET version = 7 WHERE stream IN (SELECT stream FROM events WHERE position = 1)")
    assert await problems(pool) == [
        "1 positions are missing among the newest events.",
        "1 issues are not projected up to their newest event; `rig replay` names them.",
    ]
    with capture_logs() as logs:
        await reconciler.once()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["the event store is not sound"] * 2
