"""What a process holds of a scope answers just as the database does, whoever changes it meanwhile."""

from __future__ import annotations

import pytest

from servers.kit.database import Pool
from servers.memory.backfill import Backfill
from servers.memory.models import KINDS, Kind
from servers.memory.replicas import Replicas
from servers.memory.search import Ranking
from servers.memory.store import MemoryStore
from tests.memory.conftest import ADA, DEV, OTHER, TALLY, Words, draft

QUESTIONS = ("tool3 of part4", "lesson", "everything about part11 and part12", "zeppelin", "tool7 tool8 tool9")


async def filled(pool: Pool, words: Words) -> MemoryStore:
    """A store with memories of three scopes, a long one, and one without a vector."""
    store = MemoryStore(pool, words)
    for number in range(75):
        kind = KINDS[number % 2]
        text = f"Lesson {number}: part{number % 17} needs tool{number % 11}."
        await store.write(draft(text, ADA, (TALLY, OTHER, "")[number % 3], kind=kind))
    await store.write(draft(" ".join(f"Sentence {n} speaks of part{n}." for n in range(150)) + " A zeppelin lands."))
    await MemoryStore(pool).write(draft("Nobody knows what tool7 means."))
    return store


async def held(store: MemoryStore) -> None:
    """Have the store hold what it searches."""
    await store.search("anything", TALLY)
    await store.searching.replicas.settled()


async def assert_alike(store: MemoryStore, pool: Pool, kinds: tuple[Kind, ...] = KINDS) -> None:
    """What is held answers as the database does."""
    scopes = await store.scopes.seen_from(TALLY)
    for question in QUESTIONS:
        assert await store.searching.replicas.now(scopes, None) is not None
        mine = await store.search(question, TALLY, kinds, limit=100)
        theirs = await MemoryStore(pool, Words()).search(question, TALLY, kinds, limit=100)
        assert _told(mine) == pytest.approx(_told(theirs), abs=0.03)
        assert mine.relevant == theirs.relevant


def _told(ranking: Ranking) -> dict[int, float]:
    return {one.id: one.score for one in ranking.found}


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1]])
async def test_what_is_held_answers_as_the_database_does(
    memory_pool: Pool, words: Words, kinds: tuple[Kind, ...]
) -> None:
    store = await filled(memory_pool, words)
    await held(store)
    await assert_alike(store, memory_pool, kinds)


async def test_what_others_change_is_found_at_once(memory_pool: Pool, words: Words) -> None:
    store = await filled(memory_pool, words)
    await held(store)
    other = MemoryStore(memory_pool, words)
    new = await other.write(draft("A hydrofoil needs tool7 and part11.", ADA))
    first = (await store.search("hydrofoil", TALLY)).found[0]
    assert (first.id, first.bm25 > 0) == (new.id, True)
    newer = await other.supersede(new.id, draft("An airship needs tool3 of part4.", ADA), "it is called so")
    first, second = (one.id for one in (await store.search("tool3 of part4", TALLY)).found[:2])
    assert first == newer.id
    await other.forget(newer.id, ADA, "wrong")
    for number in range(3):
        await other.mark_used([second], "misled", f"{TALLY}#{number}", DEV)
    found = [one.id for one in (await store.search("tool3 of part4", TALLY)).found]
    assert not {new.id, newer.id} & set(found)
    assert found[0] != second
    await assert_alike(store, memory_pool)


async def test_what_is_over_is_not_found_before_anybody_takes_it_out(memory_pool: Pool, words: Words) -> None:
    store = await filled(memory_pool, words)
    brief = await store.write(draft("The zeppelin lands today."))
    await memory_pool.execute(
        "UPDATE memory.memories SET expires_at = now() + interval '0.2 seconds' WHERE id = $1", brief.id
    )
    await held(store)
    await memory_pool.execute("SELECT pg_sleep(0.3)")
    assert brief.id not in {one.id for one in (await store.search("zeppelin", TALLY)).found}
    await Backfill(store).retire()
    await assert_alike(store, memory_pool)


async def test_a_scope_in_which_much_changed_is_read_again(memory_pool: Pool, words: Words) -> None:
    store = await filled(memory_pool, words)
    await held(store)
    scopes = await store.scopes.seen_from(TALLY)
    for change in (60, 300):
        await memory_pool.execute("UPDATE memory.scopes SET changed = changed + $1", change)
        behind = await store.searching.replicas.now(scopes, None)
        assert (behind is None) == (change > 250)  # the database has forgotten what they were
        await store.searching.replicas.settled()
        await assert_alike(store, memory_pool)


async def test_another_models_vectors_are_not_compared(memory_pool: Pool, words: Words) -> None:
    await held(await filled(memory_pool, words))
    moved = MemoryStore(memory_pool, Words("others", 48))
    await held(moved)
    await Backfill(moved).embed(move=True)
    for _ in range(3):
        found = (await moved.search("tool3 of part4", TALLY)).found
        assert found[0].cosine is not None
        await moved.searching.replicas.settled()


async def test_what_does_not_fit_is_searched_in_the_database(memory_pool: Pool, words: Words) -> None:
    store = await filled(memory_pool, words)
    store.searching.replicas = Replicas(memory_pool, most=1_000)
    await held(store)
    assert await store.searching.replicas.now(await store.scopes.seen_from(TALLY), None) is None
    assert (await store.search("zeppelin lands", TALLY)).relevant


async def test_what_was_not_asked_for_the_longest_goes_first(store: MemoryStore, memory_pool: Pool) -> None:
    replicas = store.searching.replicas = Replicas(memory_pool, most=15_000)
    for number in range(20):
        words = " ".join(f"word{number * 100 + word}" for word in range(100))
        await store.write(draft(words, ADA, (TALLY, OTHER)[number % 2]))
    for repo in (TALLY, OTHER):
        await store.search("word3", repo)
        await replicas.settled()
    assert await replicas.now(await store.scopes.seen_from(OTHER), None) is not None
    assert await replicas.now(await store.scopes.seen_from(TALLY), None) is None
