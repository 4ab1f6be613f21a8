"""Writes and searches memories as the server does, and prints how many megabytes that took: `… URL`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.memory_sets import own
from bench.memory_stored import AUTHOR
from servers.kit import serve
from servers.kit.database import open_pool
from servers.kit.logs import configure
from servers.memory import server
from servers.memory.drafts import Draft
from servers.memory.embedders.choice import choose
from servers.memory.settings import MemorySettings
from servers.memory.store import MemoryStore

COUNT = 50


async def work(url: str) -> None:
    """What a server does in its first minutes, and in more repositories than it can hold."""
    [corpus] = own()
    async with open_pool(url) as pool, choose(MemorySettings.load(database_url=url)) as embedder:
        store = MemoryStore(pool, embedder)
        for text in list(corpus.memories.values())[:COUNT]:
            await store.write(Draft(content=text, author=AUTHOR, repo="bench/process"))
        for question in corpus.questions[:COUNT]:
            for repo in ("bench/process", "bench/speed-0", "bench/speed-1", "bench/speed-2"):
                await store.search(question.text, repo)
                await store.searching.replicas.settled()


if __name__ == "__main__":
    assert serve, server  # loaded as in the server
    configure("WARNING")
    asyncio.run(work(sys.argv[1]))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    sys.stdout.write(f"{int(kilobytes) / 1024:.1f}\n")
