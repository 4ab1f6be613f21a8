"""A wake-up reaches every process, whatever carries it; a failing carrier delays work and loses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from servers.kit.wake import Wake
from tests.fixtures_waiting import Eventually

if TYPE_CHECKING:
    from .conftest import Bus

LONG = 15.0


@pytest.fixture
async def two(bus: Bus, eventually: Eventually) -> AsyncGenerator[tuple[Wake, Wake]]:
    """Two processes that hear each other."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(bus.member("one"))
        other = await stack.enter_async_context(bus.member("other"))
        await hear_each_other(one, other, eventually)
        yield one, other


async def hear_each_other(one: Wake, other: Wake, eventually: Eventually) -> None:
    before = one.count("from other"), other.count("from one")

    async def heard() -> bool:
        await one.publish("from one")
        await other.publish("from other")
        return one.count("from other") > before[0] and other.count("from one") > before[1]

    await eventually(heard)
    # A wake-up that was delayed by the connecting counts double; let the last of them pass.
    for wake, topic, publisher in ((one, "last of other", other), (other, "last of one", one)):
        await publisher.publish(topic)
        await eventually(lambda wake=wake, topic=topic: wake.count(topic))


async def test_nothing_happens_without_a_wake_up(two: tuple[Wake, Wake]) -> None:
    one, _ = two
    assert await one.wait("work", 0.05) is False


async def test_a_wake_up_reaches_its_own_process_and_the_other(two: tuple[Wake, Wake]) -> None:
    waits = [asyncio.create_task(wake.wait("work", LONG)) for wake in (*two, *two)]
    await asyncio.sleep(0)
    await two[0].publish("work")
    assert await asyncio.gather(*waits) == [True] * 4


async def test_a_wake_up_is_heard_once_by_each(two: tuple[Wake, Wake], eventually: Eventually) -> None:
    one, other = two
    await one.publish("work")
    await other.publish("marker")
    await eventually(lambda: one.count("marker") and other.count("work"))
    assert (one.count("work"), other.count("work")) == (1, 1)


async def test_another_topic_wakes_nobody(two: tuple[Wake, Wake]) -> None:
    one, other = two
    waiting = asyncio.create_task(other.wait("work", 0.3))
    await asyncio.sleep(0)
    await one.publish("workshop", "wor", "")
    assert await waiting is False


async def test_what_was_published_before_the_wait_is_seen_with_a_count(
    two: tuple[Wake, Wake], eventually: Eventually
) -> None:
    one, other = two
    seen = other.count("work")
    await one.publish("work")
    await eventually(lambda: other.count("work") > seen)
    assert await other.wait("work", 0, seen) is True
    assert await other.wait("work", 0.05, other.count("work")) is False


async def test_many_topics_go_at_once_and_may_have_any_name(two: tuple[Wake, Wake], eventually: Eventually) -> None:
    one, other = two
    topics = ["a b  c", "é☃", "agent:dev-e-python", "%s{}'\"\\", *map(str, range(50))]
    await one.publish(*topics)
    await eventually(lambda: all(other.count(topic) == 1 for topic in topics))


@pytest.mark.parametrize("topic", ["x" * 100_000, "nul\0"])
async def test_a_topic_that_cannot_be_carried_still_wakes_its_own_process(two: tuple[Wake, Wake], topic: str) -> None:
    one, other = two
    await one.publish(topic, "after")
    assert one.count(topic) == 1
    assert await other.wait("after", LONG, 0) is True


async def test_a_cancelled_waiter_takes_nothing_with_it(two: tuple[Wake, Wake]) -> None:
    one, other = two
    gone, stays = (asyncio.create_task(other.wait("work", LONG)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await one.publish("work")
    assert await stays is True


async def test_broken_connections_are_made_again_and_wake_everybody(
    two: tuple[Wake, Wake], bus: Bus, eventually: Eventually
) -> None:
    one, other = two
    waiting = asyncio.create_task(other.wait("work", LONG))
    about_to_wait = one.count("other work")
    await asyncio.sleep(0)
    await bus.break_connections()
    assert await waiting is True
    assert await one.wait("other work", LONG, about_to_wait) is True
    await hear_each_other(one, other, eventually)


async def test_a_bus_that_is_down_stops_nobody_and_is_found_again(
    two: tuple[Wake, Wake], bus: Bus, eventually: Eventually
) -> None:
    one, other = two
    await bus.stop()
    seen = other.count("work")
    async with asyncio.timeout(LONG):
        await one.publish("work")
    assert one.count("work") == 1
    assert await one.wait("work", 0, 0) is True
    await bus.start()
    assert await other.wait("work", LONG, seen) is True
    await hear_each_other(one, other, eventually)


async def test_a_process_that_leaves_is_missed_by_nobody(bus: Bus, eventually: Eventually) -> None:
    async with bus.member("one") as one:
        async with bus.member("other") as other:
            await hear_each_other(one, other, eventually)
        await one.publish("work")
        async with bus.member("other") as again:
            await hear_each_other(one, again, eventually)
