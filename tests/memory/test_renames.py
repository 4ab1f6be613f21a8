"""What is remembered of a repository follows it to another name, whatever was written under which."""

from __future__ import annotations

import asyncio

import pytest

from conductor.memories import MemoryServer, Names
from servers.kit.clock import ManualClock
from servers.kit.database import Pool, migrate, open_pool
from servers.kit.errors import Conflict, Forbidden
from servers.memory.shelf import Shelf
from servers.memory.store import MemoryStore
from tests.fixtures_postgres import CONDUCTOR
from tests.fixtures_waiting import Eventually
from tests.memory.conftest import ADA, DEV, TALLY, Rig, Words, draft
from tests.memory.test_races import require_consistent

NEW = "acme/count"
NUMBER = 42


async def test_memories_follow_and_both_indexes_with_them(store: MemoryStore, memory_pool: Pool) -> None:
    old = await store.write(draft("The lock is written by make.", issue=f"{TALLY}#7"))
    await store.write(draft("Everywhere the lock is old.", ADA, ""))
    await store.name_repository(NUMBER, TALLY, TALLY, ADA)
    assert await store.name_repository(NUMBER, NEW, TALLY, ADA) == 1
    assert await store.name_repository(NUMBER, NEW, TALLY, ADA) == 0
    found = (await store.search("who writes the lock", NEW)).found[0]
    assert (found.id, found.bm25 > 0, found.cosine is not None) == (old.id, True, True)
    memory = await Shelf(memory_pool, store.scopes).get(old.id)
    assert (memory.repo, memory.issue) == (NEW, f"{NEW}#7")
    assert old.id not in {one.id for one in (await store.search("lock", TALLY)).found}
    await require_consistent(memory_pool)


async def test_what_both_names_say_becomes_one_memory(store: MemoryStore, memory_pool: Pool) -> None:
    one = await store.write(draft("The lock is written by make.", tags=["make"]))
    await store.mark_used([one.id], "helped", f"{TALLY}#3", ADA)
    two = await store.write(draft("The lock is written by make.", repo=NEW))
    assert await store.name_repository(NUMBER, NEW, TALLY, ADA) == 0
    kept = await Shelf(memory_pool, store.scopes).get(two.id)
    assert (kept.hit_count, kept.tags, kept.supersedes) == (1, ["make"], [one.id])
    assert [found.id for found in (await store.search("lock", NEW)).found] == [two.id]
    await require_consistent(memory_pool)


async def test_the_old_name_is_another_repositorys_when_that_is_said(store: MemoryStore) -> None:
    await store.name_repository(NUMBER, TALLY, "", ADA)
    await store.write(draft("The lock is written by make."))
    assert await store.name_repository(NUMBER, NEW, TALLY, ADA) == 1
    assert await store.name_repository(NUMBER + 1, TALLY, "", ADA) == 0
    late = await store.write(draft("This one's lock is written by hand."))
    assert await store.name_repository(NUMBER, NEW, TALLY, ADA) == 0
    assert late.id in {one.id for one in (await store.search("lock", TALLY)).found}


async def test_what_was_forgotten_stays_so(store: MemoryStore) -> None:
    memory = await store.write(draft("The lock is written by hand."))
    await store.forget(memory.id, ADA, "wrong")
    await store.name_repository(NUMBER, NEW, TALLY, ADA)
    with pytest.raises(Conflict):
        await store.write(draft("The lock is written by hand.", DEV, NEW))


async def test_writers_beside_it_leave_the_counts_right(memory_url: str, memory_pool: Pool) -> None:
    async with open_pool(memory_url, size=8) as pool:
        store = MemoryStore(pool, Words())
        repos = (TALLY, NEW)
        texts = [f"Note {number // 3} was written under either name." for number in range(60)]
        writes = [store.write(draft(text, repo=repos[number % 2])) for number, text in enumerate(texts)]
        names = [store.name_repository(NUMBER, NEW, TALLY, ADA) for _ in range(3)]
        done = await asyncio.gather(*writes, *names, return_exceptions=True)
        assert sum(isinstance(one, Exception) for one in done) <= 3  # a telling that lost a race is told again
        await store.name_repository(NUMBER, NEW, TALLY, ADA)
        await require_consistent(pool)
        assert await pool.fetchval("SELECT documents FROM memory.scopes WHERE name = $1", TALLY) == 0


async def test_the_conductor_tells_what_repositories_are_called(
    rig: Rig, memory_pool: Pool, eventually: Eventually
) -> None:
    await migrate(memory_pool, CONDUCTOR, name="conductor")
    await memory_pool.execute("INSERT INTO repositories (id, name, enrolled) VALUES ($1, $2, $2)", NUMBER, TALLY)
    dev = await rig.dev()
    written = await dev.call("write_memory", content="The lock is written by make.", kind="learning")
    service, clock = await rig.caller("service"), ManualClock()
    told = asyncio.create_task(Names(memory_pool, MemoryServer(service.client), clock).run())
    await memory_pool.execute("UPDATE repositories SET name = $1", NEW)
    rig.ledger.held.add((f"{NEW}#1", 1))
    heir = await rig.dev(f"{NEW}#1")

    async def follows() -> bool:
        clock.advance(60)
        return [one["id"] for one in (await heir.call("read_memories", query="lock"))["memories"]] == [written["id"]]

    await eventually(follows)
    told.cancel()
    with pytest.raises(Forbidden):
        await (await rig.person()).call("name_repository", id=NUMBER, name=NEW)
