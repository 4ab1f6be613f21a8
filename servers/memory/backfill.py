"""Work beside the writers and readers: vectors that are still missing, and memories whose time is over."""

from __future__ import annotations

from pathlib import Path

from servers.kit.clock import Clock, SystemClock
from servers.kit.database import load_queries
from servers.kit.errors import Unavailable
from servers.kit.logs import get
from servers.memory.indexing import SQL as WRITING
from servers.memory.indexing import Counts, take_out
from servers.memory.store import MemoryStore, database

SQL = load_queries(Path(__file__).with_name("backfill.sql"))
BATCH = 32
LOOK_SECONDS = 30.0
log = get(__name__)


class Backfill:
    """Catches up with what writers could not do; several processes may do so at once."""

    def __init__(self, store: MemoryStore, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        """Catch up now and then, for ever."""
        while True:
            try:
                await self.retire()
                await self.embed()
            except Unavailable as error:
                log.info("the memories wait", reason=str(error))
            await self._clock.sleep(LOOK_SECONDS)

    async def retire(self) -> int:
        """Take the memories out of the indexes whose time is over; how many they were."""
        retired = 0
        async with database(), self._store.pool.acquire() as connection, connection.transaction():
            counts = Counts()
            for held in await connection.fetch(SQL["take_expired"], BATCH):
                await take_out(connection, counts, held)
                await connection.execute(SQL["expire"], held["id"])
                retired += 1
            await counts.write(connection)
        return retired

    async def embed(self, *, move: bool = False) -> int:
        """Give vectors to memories that have none; how many they were, none if no model answers.

        Each batch is a transaction of its own, so that what is done stays done when it is interrupted. What the model
        refuses is passed over until the next time.

        Args:
            move: Also to those whose vectors come from another model, which are replaced.
        """
        meaning, done, last = self._store.meaning, 0, 0
        async with database():
            if not move and not await self._store.pool.fetchval(SQL["any_without_vectors"]):
                return 0  # no model is loaded for nothing
        while (model := await meaning.model()) is not None:
            async with database():
                rows = await self._store.pool.fetch(SQL["without_vectors"], model, move, last, BATCH)
            if not rows:
                break
            last = rows[-1]["id"]
            vectors = await meaning.of_memories([row["content"] for row in rows])
            async with database(), self._store.pool.acquire() as connection, connection.transaction():
                counts = Counts()
                for row, found in zip(rows, vectors, strict=True):
                    if found is None or not await connection.fetchval(SQL["hold"], row["id"]):
                        continue  # it was refused, or taken out of use meanwhile
                    await connection.execute(WRITING["drop_vectors"], row["id"])
                    placed = (row["id"], found.model, row["scope_id"], row["kind"], found.parts)
                    await connection.execute(WRITING["add_vectors"], *placed)
                    await connection.execute(SQL["set_model"], row["id"], found.model)
                    counts.touch(row["id"], row["scope_id"])
                await counts.write(connection)
            done += sum(found is not None for found in vectors)
        return done

    async def left(self) -> int:
        """How many memories have no vectors of the model that answers now; all where none does."""
        async with database():
            return await self._store.pool.fetchval(SQL["count_left"], await self._store.meaning.model())
