"""Within one process a wake-up needs no carrier."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from servers.kit.wake import LocalWake, background, end_if_cancelled


async def test_one_process_wakes_itself() -> None:
    wake = LocalWake()
    waiting = asyncio.create_task(wake.wait("work", 15))
    await asyncio.sleep(0)
    await wake.publish("work")
    assert await waiting is True
    assert await wake.wait("work", 0.01) is False
    assert await wake.wait("work", 0, seen=0) is True


async def test_many_waiters_come_and_go_without_leaving_a_trace() -> None:
    wake = LocalWake()
    assert not any(await asyncio.gather(*(wake.wait(f"topic {n}", 0.01) for n in range(500))))
    wake.ring_all()
    assert [n for n in range(500) if wake.count(f"topic {n}")] == []


async def test_a_loop_that_counts_looks_and_waits_misses_nothing() -> None:
    wake, work, done = LocalWake(), list[int](), list[int]()

    async def worker() -> None:
        while len(done) < 300:
            seen = wake.count("work")
            done.extend(work)
            work.clear()
            await asyncio.sleep(0)
            if len(done) < 300:
                await wake.wait("work", 15, seen)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(worker())
        for n in range(300):
            work.append(n)
            await wake.publish("work")
            if n % 3 == 0:
                await asyncio.sleep(0)
    assert done == list(range(300))


async def test_background_work_ends_with_its_block() -> None:
    ended = list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async with background(work()):
        await asyncio.sleep(0)
    assert ended == ["ended"]


async def test_an_error_of_background_work_is_not_lost() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with background(work()):
            await asyncio.sleep(0)


async def test_a_loop_whose_cancellation_was_lost_ends_all_the_same() -> None:
    began = asyncio.Event()

    async def loop() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                began.set()
                await asyncio.Event().wait()
            end_if_cancelled()

    async with asyncio.timeout(5), background(loop()):
        await began.wait()


async def test_a_timeout_that_was_lost_is_a_timeout_all_the_same() -> None:
    async def late() -> None:
        async with asyncio.timeout(0):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            end_if_cancelled()

    with pytest.raises(TimeoutError):
        await late()
    end_if_cancelled()
