"""What is found, in which order, and how it is said that nothing fits."""

from __future__ import annotations

import pytest

from servers.kit.database import Pool
from servers.memory.models import KINDS
from servers.memory.search import Search
from servers.memory.store import MemoryStore
from tests.memory.conftest import ADA, DEV, OTHER, TALLY, Words, draft

NOTES = [
    "XREADGROUP blocks for ever when the consumer group was made with MKSTREAM on another node.",
    "Cloudflare error 1014 means that a CNAME points into an account that is not ours.",
    "parseHTTPHeader_v2 returns None for folded headers; fold them first.",
    "Die Tests brauchen eine Uhr mit Zeitzone, sonst fällt die Umstellung auf Sommerzeit auf.",
    "テストはタイムゾーンに依存します。",
]


async def notes(store: MemoryStore) -> list[int]:
    return [(await store.write(draft(note))).id for note in NOTES]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("XREADGROUP hangs", 0),
        ("CF 1014", 1),
        ("why does parse http header give nothing", 2),
        ("Sommerzeit in den Tests", 3),
        ("タイムゾーン", 4),
    ],
)
async def test_keywords_identifiers_and_other_languages_are_found_without_an_embedder(
    memory_pool: Pool, query: str, number: int
) -> None:
    store = MemoryStore(memory_pool)
    ids = await notes(store)
    ranking = await store.search(query, TALLY)
    assert ranking.found[0].id == ids[number]
    assert ranking.relevant
    assert ranking.note == ""


async def test_it_is_said_when_nothing_fits(memory_pool: Pool) -> None:
    store = MemoryStore(memory_pool)
    await notes(store)
    ranking = await store.search("how do we bill customers in Norway for tests", TALLY)
    assert not ranking.relevant
    assert "Nothing that is remembered fits" in ranking.note
    assert (await store.search("the of and", TALLY)).note.startswith(
        "There is no embedder, and the query has no words"
    )


async def test_only_the_asked_kinds_are_found(store: MemoryStore) -> None:
    await store.write(draft("The lock is written by make.", kind="learning"))
    decision = await store.write(draft("The lock is written by make, we decided.", kind="decision"))
    found = (await store.search("who writes the lock", TALLY, ["decision"])).found
    assert [one.id for one in found] == [decision.id]


async def test_a_memory_that_misled_comes_after_one_that_helped(store: MemoryStore) -> None:
    one = (await store.write(draft("The lock is written by make today."))).id
    two = (await store.write(draft("The lock is written by make now."))).id
    for number in range(3):
        await store.mark_used([two], "helped", f"{TALLY}#{number}", DEV)
        await store.mark_used([one], "misled", f"{TALLY}#{number}", DEV)
    assert [found.id for found in (await store.search("lock make", TALLY)).found] == [two, one]


async def test_what_comes_from_the_same_issue_is_found_sooner(store: MemoryStore) -> None:
    apart = await store.write(draft("Deploys need the proxy token."))
    beside = await store.write(draft("Deploys need the proxy tokens.", issue=f"{TALLY}#4"))
    await store.write(draft("The proxy of the deploys moved to port 8443.", issue=f"{TALLY}#4"))
    for _ in range(2):  # from the database, and from what is held then
        found = [one.id for one in (await store.search("deploys need the proxy token", TALLY)).found]
        assert found.index(beside.id) < found.index(apart.id)
        await store.searching.replicas.settled()


async def test_what_stands_deep_in_a_long_memory_is_found_by_its_part(store: MemoryStore) -> None:
    filler = " ".join(f"Paragraph {number} speaks of something else entirely." for number in range(150))
    long = await store.write(draft(f"{filler} The zeppelin lands at noon."))
    await store.write(draft(filler))
    best, other = (await store.search("zeppelin lands noon", TALLY)).found
    assert best.id == long.id
    assert best.cosine is not None
    assert other.cosine is not None
    assert best.cosine > 1.5 * other.cosine


async def test_many_memories_of_all_repositories_are_found_by_the_index(memory_pool: Pool, words: Words) -> None:
    store = MemoryStore(memory_pool, words)
    search = Search(memory_pool, store.meaning, by_index=40, many=40)
    for number in range(60):
        repo = (TALLY, OTHER, "")[number % 3]
        await store.write(draft(f"Common lesson: part{number} needs tool{number} installed.", ADA, repo))
    scopes = await store.scopes.seen_from(None)
    for number in (7, 31, 58):
        query = f"common tool{number} for part{number}"
        found = (await search.find(query, scopes, everywhere=True, kinds=KINDS, limit=5)).found
        [best] = await memory_pool.fetch("SELECT content FROM memory.memories WHERE id = $1", found[0].id)
        assert f"tool{number} " in best["content"]
        assert found[0].cosine is not None


async def test_a_very_long_query_is_answered(store: MemoryStore) -> None:
    ids = await notes(store)
    found = (await store.search(f"XREADGROUP blocks {'and so on ' * 2000} \ud800", TALLY)).found
    assert found[0].id == ids[0]
