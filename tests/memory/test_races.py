"""Writers at the same time: no deadlock, nothing counted twice, one memory for one content."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from servers.kit.database import Pool, open_pool
from servers.kit.errors import Conflict, NotFound
from servers.memory.store import MemoryStore
from tests.memory.conftest import ADA, DEV, OTHER, TALLY, Words, draft

PROCESSES, WRITERS, EACH = 2, 8, 12
VOCABULARY = [f"word{number}" for number in range(60)]

DERIVED = """
SELECT (SELECT count(*) FROM memory.memories WHERE indexed) AS memories,
       (SELECT sum(documents) FROM memory.scopes) AS documents,
       (SELECT count(*) FROM memory.postings) AS postings,
       (SELECT sum(cardinality(terms)) FROM memory.memories WHERE indexed) AS terms,
       (SELECT count(*) FROM (
            SELECT scope_id, term, count(*) AS n FROM memory.postings GROUP BY 1, 2
        ) p FULL JOIN (SELECT scope_id, term, df AS n FROM memory.term_df WHERE df <> 0) d USING (scope_id, term)
        WHERE p.n IS DISTINCT FROM d.n) AS wrong
"""


async def require_consistent(pool: Pool) -> int:
    row = await pool.fetchrow(DERIVED)
    assert row is not None
    assert row["wrong"] == 0
    assert row["memories"] == row["documents"]
    assert row["postings"] == row["terms"]
    return row["memories"]


async def test_writers_in_processes_of_their_own_never_deadlock(memory_url: str, memory_pool: Pool) -> None:
    command = [sys.executable, "-m", "tests.memory.writer", memory_url]
    writers = [
        await asyncio.create_subprocess_exec(*command, str(seed), str(EACH), cwd=Path(__file__).parents[2])
        for seed in range(PROCESSES)
    ]
    assert [await writer.wait() for writer in writers] == [0] * PROCESSES
    # each wrote as many of its own, and all wrote the same ones besides
    assert await require_consistent(memory_pool) == WRITERS * EACH + EACH


async def test_writing_superseding_and_forgetting_at_once_leaves_the_counts_right(memory_url: str) -> None:
    chance = random.Random(7)

    async with open_pool(memory_url, size=WRITERS) as pool:
        store = MemoryStore(pool, Words())
        known = [
            (await store.write(draft(_text(chance), repo=chance.choice([TALLY, OTHER, ""])))).id for _ in range(9)
        ]

        async def one(act: int) -> None:
            target = chance.choice(known)
            try:
                match act % 4:
                    case 0:
                        known.append((await store.write(draft(_text(chance), repo=chance.choice([TALLY, ""])))).id)
                    case 1:
                        await store.supersede(target, draft(_text(chance), ADA, repo=OTHER), "newer")
                    case 2:
                        await store.forget(target, ADA, "wrong")
                    case _:
                        await store.mark_used([target, *known[:3]], "helped", f"{TALLY}#{act}", DEV)
            except (NotFound, Conflict):
                pass  # another one was first

        await asyncio.gather(*(one(act) for act in range(80)))
        await require_consistent(pool)


async def test_the_same_content_from_many_writers_is_one_memory(memory_url: str) -> None:
    async with open_pool(memory_url, size=WRITERS) as pool:
        store = MemoryStore(pool, Words())
        written = await asyncio.gather(*(store.write(draft("The lock is written by make.")) for _ in range(24)))
        assert len({one.id for one in written}) == 1
        assert [one.created for one in written].count(True) == 1
        assert await require_consistent(pool) == 1


def _text(chance: random.Random) -> str:
    return " ".join(chance.sample(VOCABULARY, 12)) + f" unique{chance.random()}"
