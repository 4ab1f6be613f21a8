"""The feed: a reader that follows positions while eight writers in three processes append."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import pairwise

import uvloop

from bench.append import opened
from bench.common import Result, at_most, durable, result
from bench.common import run as execute
from conductor.events import MessageSent
from conductor.store.records import Append, Recorded
from conductor.store.writer import Store

NAME = "feed"
SENTENCE = "Events that a reader follows in order while 8 writers in 3 processes append: none skipped, none twice"
WRITERS = (3, 3, 2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def run(quick: bool) -> Result:
    """What a reader sees of the log while it grows."""
    each = (400 if quick else 50_000) // sum(WRITERS)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        url = await server.database("ours")
        store = await stack.enter_async_context(opened(url))
        started = time.perf_counter()
        writing = asyncio.gather(*(write(url, n, writers, each) for n, writers in enumerate(WRITERS)))
        seen = await follow(store, sum(WRITERS) * each)
        seconds = time.perf_counter() - started
        await writing
    texts = Counter(event.data["text"] for event in seen)
    expected = sum(WRITERS) * each
    unordered = sum(later.position <= earlier.position for earlier, later in pairwise(seen))
    return result(
        NAME,
        "events/s",
        ours=expected / seconds,
        rows=[{"events": expected, "gaps": seen[-1].position - len(seen)}],
        targets=[
            at_most("skipped", expected - len(texts), 0),
            at_most("seen twice", len(seen) - len(texts), 0),
            at_most("out of order", unordered, 0),
        ],
        settings=server.settings,
    )


async def follow(store: Store, events: int) -> list[Recorded]:
    """What is read by asking again and again for what comes after the last position seen, until it is at the end."""
    seen: list[Recorded] = []
    async with asyncio.timeout(600):
        while not seen or seen[-1].position < events:
            page = await store.read_after(seen[-1].position if seen else 0)
            seen += page
            if not page:
                await asyncio.sleep(0.002)
    return seen


async def write(url: str, process: int, writers: int, each: int) -> None:
    """Append from a process of its own."""
    await execute(sys.executable, "-m", "bench.feed", url, str(process), str(writers), str(each))


async def append_all(url: str, process: str, writers: int, each: int) -> None:
    """So many writers in this process, each with a stream of its own."""

    async def one(store: Store, writer: int) -> None:
        stream = f"agent-{process}-{writer}"
        for version in range(each):
            said = MessageSent(sender=stream, to="b", text=f"{stream}:{version}")
            await store.append(Append(stream, version, [said], stream, NOW))

    async with opened(url) as store:
        await asyncio.gather(*(one(store, writer) for writer in range(writers)))


if __name__ == "__main__":
    uvloop.run(append_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
