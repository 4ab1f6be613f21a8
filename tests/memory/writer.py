"""A process in which four write memories at once: their own, and some that all others write too."""

from __future__ import annotations

import asyncio
import random
import sys

from servers.kit.database import open_pool
from servers.memory.drafts import Author, Draft
from servers.memory.store import MemoryStore

REPO = "ada/tally"
VOCABULARY = [f"word{number}" for number in range(60)]
WRITERS = "abcd"


async def main(url: str, seed: int, each: int) -> None:
    """Have every writer write `each` memories twice over."""
    async with open_pool(url, size=len(WRITERS)) as pool:
        store = MemoryStore(pool)
        await asyncio.gather(*(_write(store, f"{seed}{letter}", each) for letter in WRITERS))


async def _write(store: MemoryStore, name: str, each: int) -> None:
    chance, author = random.Random(name), Author(f"dev-{name}", "dev")
    for number in range(each):
        words = " ".join(chance.sample(VOCABULARY, 15))
        await store.write(Draft(f"{words} from {name} {number}", author, repo=REPO))
        await store.write(Draft(f"Everybody learned {number} by {VOCABULARY}", author, repo=REPO))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
