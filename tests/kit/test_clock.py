"""Time stands still for tests and runs for everybody else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from servers.kit.clock import ManualClock, SystemClock


def test_the_system_clock_is_in_utc_and_goes_forward() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(datetime.now(UTC) - clock.now()) < timedelta(seconds=5)
    assert clock.monotonic() <= clock.monotonic()


def test_a_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    clock.advance(90)
    assert clock.now() == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


async def test_sleepers_wake_when_their_time_has_come() -> None:
    clock, woken = ManualClock(), list[float]()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (5.0, 1.0, 3.0):
            group.create_task(sleep(seconds))
        await asyncio.sleep(0)
        clock.advance(3)
        await asyncio.sleep(0)
        assert sorted(woken) == [1.0, 3.0]
        clock.advance(2)
    assert woken[-1] == 5.0


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
async def test_sleeping_for_no_time_only_yields(clock: SystemClock | ManualClock) -> None:
    async with asyncio.timeout(5):
        await clock.sleep(0)
        await clock.sleep(-1)


async def test_a_cancelled_sleeper_does_not_disturb_the_clock() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    clock.advance(5)
    assert task.cancelled()
