"""A loop that must run once runs in one process, and in another one as soon as that is gone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from conductor.store.leader import SESSION, alongside, leader, led
from servers.kit.database import Pool
from servers.kit.errors import Unavailable
from servers.kit.wake import background
from tests.fixtures_waiting import Eventually

CUT = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"


class Work:
    """Notes who works at it."""

    def __init__(self) -> None:
        self.busy: list[str] = []
        self.begun: list[str] = []

    async def by(self, name: str) -> None:
        self.busy.append(name)
        self.begun.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            self.busy.remove(name)


async def test_of_three_one_works_and_the_next_takes_over_when_it_ends(
    database_url: str, eventually: Eventually
) -> None:
    work = Work()
    async with AsyncExitStack() as others:
        async with background(led(database_url, "loop", lambda: work.by("a"))):
            await eventually(lambda: work.busy == ["a"])
            for name in ("b", "c"):
                await others.enter_async_context(background(led(database_url, "loop", lambda n=name: work.by(n))))
        await eventually(lambda: len(work.busy) == 1 and work.busy != ["a"])


async def test_a_lost_connection_stops_the_work_which_is_contended_for_again(
    database_url: str, pool: Pool, eventually: Eventually
) -> None:
    work = Work()
    async with background(led(database_url, "loop", lambda: work.by("a"))):
        await eventually(lambda: work.busy == ["a"])
        async with background(led(database_url, "loop", lambda: work.by("b"))):
            await eventually(lambda: _waits(pool))
            await pool.fetch(CUT)
            await eventually(lambda: work.busy == ["b"])
        await eventually(lambda: work.busy == ["a"])
    assert work.begun == ["a", "b", "a"]


async def test_other_loops_have_leaders_of_their_own(database_url: str, eventually: Eventually) -> None:
    work = Work()
    async with (
        background(led(database_url, "one", lambda: work.by("a"))),
        background(led(database_url, "other", lambda: work.by("b"))),
    ):
        await eventually(lambda: sorted(work.busy) == ["a", "b"])


async def test_what_the_work_raises_is_raised(database_url: str) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await led(database_url, "loop", broken)


async def test_a_block_is_told_that_its_lead_is_lost(database_url: str, pool: Pool) -> None:
    async def lead() -> None:
        async with leader(database_url, "loop"):
            await pool.fetch(CUT)
            await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="The lead of loop is lost"):
        await lead()


async def test_who_waits_for_long_asks_anew_and_still_gets_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setitem(SESSION, "lock_timeout", "20ms")
    work = Work()
    async with leader(database_url, "loop"):
        waiting = asyncio.create_task(led(database_url, "loop", lambda: work.by("b")))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.2)
        assert work.begun == []
    await eventually(lambda: work.busy == ["b"])
    waiting.cancel()


async def test_who_is_told_to_end_as_the_watch_fails_ends() -> None:
    began = asyncio.Event()

    async def breaks_when_cancelled() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise Unavailable("The connection broke just then.") from error

    async def leads() -> None:
        while True:
            with suppress(Unavailable):
                async with alongside(breaks_when_cancelled()):
                    await asyncio.Event().wait()

    async with asyncio.timeout(5), background(leads()):
        await began.wait()


async def test_a_database_that_is_away_is_unavailable() -> None:
    elsewhere = leader("postgresql://nobody@127.0.0.1:1/none", "loop")
    with pytest.raises(Unavailable):
        await elsewhere.__aenter__()


async def _waits(pool: Pool) -> bool:
    return await pool.fetchval("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
