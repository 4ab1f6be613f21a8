"""What GitHub could not deliver is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from conductor.github import SeenDelivery
from conductor.intake.lost import AT_ONCE, LostDeliveries
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.errors import Forbidden, InvalidInput
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY


@pytest.fixture
def github() -> MemoryGitHub:
    return MemoryGitHub()


@pytest.fixture
def lost(store: Store, github: MemoryGitHub) -> LostDeliveries:
    return LostDeliveries(store, github)


def failed(github: MemoryGitHub, guids: Sequence[str], ago: timedelta = timedelta(minutes=1)) -> None:
    at = datetime.now(UTC) - ago
    github.deliveries += [
        SeenDelivery(id=n, guid=guid, event="issues", delivered_at=at) for n, guid in enumerate(guids, start=1)
    ]


def asked(github: MemoryGitHub) -> list[str]:
    return [guid for what, guid in github.done if what == "redeliver"]


async def test_what_was_never_stored_is_asked_for_once_an_hour(
    lost: LostDeliveries, github: MemoryGitHub, pool: Pool
) -> None:
    await pool.execute("INSERT INTO deliveries (guid, event, payload) VALUES ('here', 'issues', '{}')")
    failed(github, ["here", "gone", "gone", "lost"])
    assert await lost.ask(REPOSITORY) >= 2
    assert set(asked(github)) == {"gone", "lost"}
    github.done.clear()
    assert await lost.ask(REPOSITORY) == 0
    await pool.execute("UPDATE redeliveries SET asked_at = now() - interval '61 minutes' WHERE guid = 'lost'")
    assert await lost.ask(REPOSITORY) == 1
    assert asked(github) == ["lost"]


async def test_several_processes_ask_once(store: Store, github: MemoryGitHub) -> None:
    failed(github, ["lost"])
    await asyncio.gather(*(LostDeliveries(store, github).ask(REPOSITORY) for _ in range(5)))
    assert asked(github) == ["lost"]


async def test_at_most_so_many_are_asked_for_at_once_and_the_others_next_time(
    lost: LostDeliveries, github: MemoryGitHub
) -> None:
    guids = [f"lost-{number}" for number in range(AT_ONCE + 5)]
    failed(github, guids, timedelta(hours=1))
    assert await lost.ask(REPOSITORY) == AT_ONCE
    assert await lost.ask(REPOSITORY) == 5
    assert sorted(asked(github)) == sorted(guids)


async def test_only_what_failed_since_the_last_time_is_looked_at(lost: LostDeliveries, github: MemoryGitHub) -> None:
    await lost.ask(REPOSITORY)
    failed(github, ["old"], timedelta(hours=2))
    failed(github, ["new"])
    assert await lost.ask(REPOSITORY) == 1
    assert asked(github) == ["new"]


async def test_a_token_that_may_not_see_deliveries_is_said_once(lost: LostDeliveries, github: MemoryGitHub) -> None:
    github.failing["failed_deliveries"] = [Forbidden("Not an administrator.")] * 2
    with capture_logs() as logs:
        assert [await lost.ask(REPOSITORY) for _ in range(2)] == [0, 0]
    assert [line["error"] for line in logs] == ["Not an administrator."]


async def test_one_that_cannot_be_had_again_hides_no_other(lost: LostDeliveries, github: MemoryGitHub) -> None:
    failed(github, ["one", "two"])
    github.failing["redeliver"] = [InvalidInput("Too old.")]
    assert await lost.ask(REPOSITORY) == 1
