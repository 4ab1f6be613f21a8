"""The conductor hears of what happened to memories, once, and later where it was away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from servers.kit.clock import ManualClock
from servers.kit.database import Pool
from servers.kit.errors import Forbidden, InvalidInput, RigError, Unauthenticated, Unavailable
from servers.memory.outbox import Fact, Outbox
from servers.memory.store import MemoryStore
from tests.memory.conftest import ADA, DEV, TALLY, draft


class Conductor:
    """Takes records as the conductor does: the same request is one event."""

    def __init__(self) -> None:
        self.failure: RigError | None = None
        self.refused = ""
        self.breaks_after = 1_000
        self.events: dict[str, dict[str, Any]] = {}

    async def call(self, tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> Any:
        assert tool == "record"
        if self.failure:
            raise self.failure
        if arguments["type"] == self.refused:
            raise InvalidInput("unknown type")
        self.events.setdefault(meta["rig/request_id"], dict(arguments))
        if len(self.events) > self.breaks_after:
            raise Unavailable("The answer was lost.")

    @property
    def told(self) -> list[str]:
        return [event["type"] for event in self.events.values()]


@pytest.fixture
def conductor() -> Conductor:
    return Conductor()


@pytest.fixture
def outbox(memory_pool: Pool, conductor: Conductor) -> Outbox:
    return Outbox(memory_pool, conductor, ManualClock())


async def test_what_happens_to_a_memory_becomes_events(
    memory_pool: Pool, conductor: Conductor, outbox: Outbox
) -> None:
    store = MemoryStore(memory_pool, outbox=outbox)
    memory = (await store.write(draft("The lock.", issue=f"{TALLY}#1"))).id
    await store.write(draft("The lock."))
    await store.mark_used([memory], "helped", f"{TALLY}#2", DEV)
    await store.mark_used([memory], "helped", f"{TALLY}#2", DEV)
    await store.mark_promoted(memory, "https://x", ADA)
    outbox.note(Fact.read("lock " * 1000, "dev-e", f"{TALLY}#2", [memory]))
    assert await outbox.send() == 4
    assert await outbox.send() == 0
    assert sorted(conductor.told) == ["MEMORY_HIT_USED", "MEMORY_PROMOTED", "MEMORY_READ", "MEMORY_WRITE"]
    by_type = {event["type"]: event for event in conductor.events.values()}
    assert by_type["MEMORY_WRITE"]["stream"] == "agent-dev-e"
    assert by_type["MEMORY_WRITE"]["data"]["issue"] == f"{TALLY}#1"
    assert len(by_type["MEMORY_READ"]["data"]["query"]) == 500


async def test_a_conductor_that_is_away_stops_no_writer_and_hears_it_once(
    memory_pool: Pool, conductor: Conductor, outbox: Outbox
) -> None:
    store = MemoryStore(memory_pool, outbox=outbox)
    conductor.failure = Unavailable("gone")
    for number in range(3):
        assert (await store.write(draft(f"Lesson {number}."))).created
    with pytest.raises(Unavailable):
        await outbox.send()
    conductor.failure, conductor.breaks_after = None, 1
    with pytest.raises(Unavailable):
        await outbox.send()
    conductor.breaks_after = 1_000
    assert await outbox.send() == 3
    assert conductor.told == ["MEMORY_WRITE"] * 3


@pytest.mark.parametrize("failure", [Unauthenticated("The token is over."), Forbidden("Not your role.")])
async def test_facts_are_kept_while_the_conductor_lets_nobody_in(
    memory_pool: Pool, conductor: Conductor, outbox: Outbox, failure: RigError
) -> None:
    await MemoryStore(memory_pool, outbox=outbox).write(draft("Lesson."))
    outbox.note(Fact.read("lesson", "dev-e", "", []))
    conductor.failure = failure
    with pytest.raises(Unavailable, match="let the memory server in"):
        await outbox.send()
    conductor.failure = None
    assert await outbox.send() == 2
    assert conductor.told == ["MEMORY_READ", "MEMORY_WRITE"]


async def test_a_fact_that_is_refused_holds_up_no_other(
    memory_pool: Pool, conductor: Conductor, outbox: Outbox
) -> None:
    store = MemoryStore(memory_pool, outbox=outbox)
    memory = (await store.write(draft("Lesson."))).id
    await store.mark_used([memory], "helped", f"{TALLY}#2", DEV)
    conductor.refused = "MEMORY_WRITE"
    assert await outbox.send() == 2
    assert await outbox.send() == 0
    assert conductor.told == ["MEMORY_HIT_USED"]
