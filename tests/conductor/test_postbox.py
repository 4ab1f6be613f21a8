"""Deliveries of many senders are kept together, and each for itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conductor.intake.postbox import AT_ONCE, Postbox
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import InvalidInput, Unavailable
from servers.kit.wake import background


@pytest.fixture
def postbox(store: Store) -> Postbox:
    return Postbox(store)


async def test_one_that_the_database_refuses_takes_no_other_with_it(postbox: Postbox, pool: Pool) -> None:
    names = [f"guid-{number}" for number in range(20)] + ["bad\0guid"]
    posted: list[Any] = [asyncio.create_task(postbox.keep(name, "issues", b"{}")) for name in names]
    await asyncio.sleep(0)  # all wait before the writer starts
    async with background(postbox.run()):
        kept = await asyncio.gather(*posted, return_exceptions=True)
    assert kept[:-1] == [True] * 20
    assert isinstance(kept[-1], InvalidInput)
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 20


async def test_more_than_are_written_at_once_are_all_kept(postbox: Postbox, pool: Pool) -> None:
    many = 3 * AT_ONCE + 1
    posted = [asyncio.create_task(postbox.keep(f"guid-{number}", "issues", b"{}")) for number in range(many)]
    await asyncio.sleep(0)  # all wait before the writer starts
    async with background(postbox.run()):
        assert all(await asyncio.gather(*posted))
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == many


async def test_a_guid_is_new_once_within_a_batch_and_after_it(postbox: Postbox, pool: Pool) -> None:
    async with background(postbox.run()):
        kept = await asyncio.gather(*(postbox.keep("guid", "issues", b"{}") for _ in range(10)))
        assert sorted(kept) == [False] * 9 + [True]
        assert await postbox.keep("guid", "issues", b"{}") is False


async def test_a_database_that_is_away_fails_what_waits_and_nothing_later(postbox: Postbox, pool: Pool) -> None:
    async with background(postbox.run()):
        await pool.execute("ALTER TABLE deliveries RENAME TO elsewhere")
        with pytest.raises((InvalidInput, Unavailable)):
            await postbox.keep("one", "issues", b"{}")
        await pool.execute("ALTER TABLE elsewhere RENAME TO deliveries")
        assert await postbox.keep("two", "issues", b"{}")
