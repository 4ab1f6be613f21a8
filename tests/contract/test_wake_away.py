"""With Valkey away, for all or for one process, wake-ups arrive through PostgreSQL without delay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from servers.kit.wake import Wake, background
from servers.kit.wake_valkey import Client, client_of
from tests.fixtures_valkey import Valkey
from tests.fixtures_waiting import Eventually

from .test_wake import hear_each_other

if TYPE_CHECKING:
    from .conftest import ValkeyBus

PROMPTLY = 5.0


@pytest.fixture
async def two(valkey_bus: ValkeyBus, eventually: Eventually) -> AsyncGenerator[tuple[Wake, Wake]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(valkey_bus.member("one"))
        other = await stack.enter_async_context(valkey_bus.member("other"))
        await hear_each_other(one, other, eventually)
        yield one, other


async def woken(publisher: Wake, waiter: Wake) -> bool:
    seen = waiter.count("work")
    await publisher.publish("work")
    return await waiter.wait("work", PROMPTLY, seen)


async def test_what_is_published_while_valkey_is_killed_arrives(two: tuple[Wake, Wake], valkey: Valkey) -> None:
    for _ in range(3):
        await valkey.kill()
        assert await woken(*two)
        assert await woken(*reversed(two))
        await valkey.start()
        assert await woken(*two)


async def test_a_valkey_that_hangs_delays_nobody_who_publishes(two: tuple[Wake, Wake], valkey: Valkey) -> None:
    valkey.freeze()
    async with asyncio.timeout(0.5):
        for n in range(1000):
            await two[0].publish(f"topic {n}")
    assert await woken(*two)
    valkey.thaw()
    assert await woken(*reversed(two))


async def test_who_cannot_reach_valkey_hears_and_is_heard(valkey_bus: ValkeyBus, eventually: Eventually) -> None:
    async with valkey_bus.member("one") as one, valkey_bus.member("apart", "unix:///nowhere/valkey.sock") as apart:
        await hear_each_other(one, apart, eventually)
        assert await woken(apart, one)
        assert await woken(one, apart)


async def test_a_flood_of_one_topic_is_carried_as_few_wake_ups(
    two: tuple[Wake, Wake], eventually: Eventually
) -> None:
    one, other = two
    for _ in range(10_000):
        await one.publish("work")
    await one.publish("last")
    await eventually(lambda: other.count("last"))
    assert 1 <= other.count("work") < 100


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://:secret@host", "must start with redis://"),
        ("secret", "must start with redis://"),
        ("redis://:secret@host:port/0", "malformed"),
    ],
)
async def test_a_wrong_url_is_refused_without_repeating_it(url: str, said: str) -> None:
    with pytest.raises(Exception, match=said) as refused:
        client_of(url)
    assert "secret" not in str(refused.value)


async def test_a_password_never_reaches_what_is_said_of_a_client() -> None:
    client = client_of("rediss://user:swordfish@host:6379/0")
    assert "swordfish" not in repr(client)
    closing: Awaitable[None] = client.aclose()
    await closing


class Careless(Redis):
    """Loses a cancellation that comes with the answer, as redis-py does under Python 3.11."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


class Mended(Client, Careless):
    """The rig's client over a careless one."""


async def test_a_cancellation_that_comes_with_the_answer_ends_who_asked() -> None:
    async def loop() -> None:
        while True:
            await Mended().ping()  # pyright: ignore[reportUnknownMemberType]

    async with asyncio.timeout(5), background(loop()):
        await asyncio.sleep(0)
