"""What writers could not do is caught up with, and a store moves from one embedder to another while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from servers.kit.database import Pool
from servers.kit.errors import InvalidInput, Unavailable
from servers.memory.backfill import BATCH, Backfill
from servers.memory.search import UNTAKEN
from servers.memory.store import MemoryStore
from tests.memory.conftest import TALLY, Words, draft


async def models(pool: Pool) -> dict[str, int]:
    rows = await pool.fetch(
        "SELECT o.name, count(DISTINCT v.memory_id) AS n"
        " FROM memory.vectors v JOIN memory.models o ON o.id = v.model_id GROUP BY o.name"
    )
    return {row["name"]: row["n"] for row in rows}


async def test_what_was_written_without_the_embedder_gets_its_vectors_later(memory_pool: Pool, words: Words) -> None:
    words.away = True
    store = MemoryStore(memory_pool, words)
    await store.write(draft("The lock is written by make."))
    assert await models(memory_pool) == {}
    words.away = False
    store = MemoryStore(memory_pool, words)
    assert await Backfill(store).embed() == 1
    assert await models(memory_pool) == {"words": 1}
    assert await Backfill(store).embed() == 0
    assert (await store.search("lock", TALLY)).found[0].cosine is not None


async def test_a_store_moves_to_another_embedder_and_goes_on_after_a_kill(memory_pool: Pool, words: Words) -> None:
    old = MemoryStore(memory_pool, words)
    for number in range(BATCH + 8):
        await old.write(draft(f"Lesson {number}: the lock of part{number} is written by make."))

    class Stops(Words):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            if self.asked > BATCH:
                raise Unavailable("The process was killed here.")
            return await super().embed(texts)

    halfway = MemoryStore(memory_pool, Stops("other", 48))
    assert await Backfill(halfway).embed(move=True) == BATCH
    assert await models(memory_pool) == {"words": 8, "other": BATCH}
    new = MemoryStore(memory_pool, Words("other", 48))
    for reader in (old, new):  # of the processes that are still on the old model, and of those on the new one
        ranking = await reader.search("the lock of part39 and part0", TALLY, limit=40)
        assert len(ranking.found) == BATCH + 8
        assert {one.cosine is None for one in ranking.found} == {True, False}
    assert await Backfill(new).left() == 8
    assert await Backfill(new).embed(move=True) == 8
    assert await Backfill(new).left() == 0
    assert await models(memory_pool) == {"other": BATCH + 8}


class Picky(Words):
    """Does not take texts about poison."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if any("poison" in text for text in texts):
            raise InvalidInput("The endpoint answers 400.")
        return await super().embed(texts)


async def test_a_text_that_the_embedder_refuses_holds_up_no_other(memory_pool: Pool) -> None:
    store = MemoryStore(memory_pool, Picky())
    refused = await store.write(draft("The poison is written by make."))
    assert "does not take it" in refused.note
    assert (await store.write(draft("The lock is written by hand."))).note == ""
    wordless = MemoryStore(memory_pool)
    for number in range(BATCH + 8):
        await wordless.write(draft(f"Lesson {number}: the lock is written by make."))
    assert await Backfill(store).embed() == BATCH + 8
    assert await Backfill(store).embed() == 0
    assert await Backfill(store).left() == 1
    assert await models(memory_pool) == {"words": BATCH + 9}
    ranking = await store.search("who writes the poison", TALLY, limit=1)
    assert (ranking.found[0].id, ranking.note) == (refused.id, UNTAKEN)


async def test_while_the_embedder_is_away_all_are_left(memory_pool: Pool, words: Words) -> None:
    words.away = True
    store = MemoryStore(memory_pool, words)
    await store.write(draft("The lock is written by make."))
    assert await Backfill(store).embed(move=True) == 0
    assert await Backfill(store).left() == 1


async def test_the_backfill_alone_moves_nothing(memory_pool: Pool, words: Words) -> None:
    await MemoryStore(memory_pool, words).write(draft("The lock is written by make."))
    assert await Backfill(MemoryStore(memory_pool, Words("other", 48))).embed() == 0
    assert await models(memory_pool) == {"words": 1}


async def test_a_memory_whose_time_is_over_leaves_the_indexes(store: MemoryStore, memory_pool: Pool) -> None:
    await store.write(draft("The lock is written by make.", expires_at=datetime.now(UTC) - timedelta(hours=1)))
    await store.write(draft("The lock stays.", expires_at=datetime.now(UTC) + timedelta(hours=1)))
    assert await Backfill(store).retire() == 1
    assert await Backfill(store).retire() == 0
    assert await memory_pool.fetchval("SELECT sum(documents) FROM memory.scopes") == 1
    assert await memory_pool.fetchval("SELECT count(*) FROM memory.vectors") == 1
