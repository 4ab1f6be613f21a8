"""Webhooks may be lost, repeated and out of order: the reconciler makes up for all of it."""

from __future__ import annotations

import pytest

from rig.demo.stage import CONDUCTOR, REPOSITORY
from tests.mesh.watching import merged_once, watched

pytestmark = pytest.mark.timeout(300)


async def test_an_issue_is_merged_without_one_webhook() -> None:
    async with watched(RIG_RECONCILE_SECONDS="1") as watch:
        await watch.stage.github.mischief("vanish", count=100_000)
        await watch.stage.file_issue(0)
        await merged_once(watch)
        assert 202 not in [delivery["status_code"] for delivery in await watch.stage.github.deliveries()]


async def test_webhooks_that_stop_halfway_and_then_come_twice_and_in_any_order_change_nothing() -> None:
    async with watched(RIG_RECONCILE_SECONDS="1") as watch:
        github = watch.stage.github
        await watch.stage.file_issue(0)
        await watch.next("WORK_STARTED")
        await github.grant(REPOSITORY, CONDUCTOR, "admin")  # who else may see deliveries
        await github.mischief("drop", count=100_000)
        await watch.next("CI_FAILED")
        await watch.next("PR_UPDATED")
        await github.clear_faults()
        await github.mischief("reorder", "check_run", count=4)
        await github.mischief("duplicate", count=100_000)
        await merged_once(watch)
        sent = await github.deliveries()
        assert any(one["redelivery"] and one["status_code"] == 202 for one in sent), "nobody asked for what was lost"
