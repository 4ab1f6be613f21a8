"""Keeps deliveries: everything that waits at a moment goes to the disk in one statement, each for itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import asyncpg

from conductor.intake.payload import pack
from conductor.intake.sight import SQL
from conductor.store.writer import Store, connection_of
from servers.kit.errors import InvalidInput, RigError, Unavailable
from servers.kit.logs import get

DELIVERIES = "deliveries"
AT_ONCE = 32  # while so many are written, as many can be read
AT_ONCE_BYTES = 32 * 1024 * 1024
LARGE = 2 * 1024 * 1024  # a batch that takes so long to pack that nobody else should wait for it
log = get(__name__)


@dataclass
class Posted:
    """A delivery on its way to the disk; `kept` tells whether it was new."""

    guid: str
    event: str
    body: bytes
    kept: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Postbox:
    """Writes deliveries of many senders together."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._waiting: asyncio.Queue[Posted] = asyncio.Queue()
        self._fresh = asyncio.Event()

    async def keep(self, guid: str, event: str, body: bytes) -> bool:
        """Have a delivery on the disk; False where its GUID was there already.

        Raises:
            InvalidInput: The database cannot hold its GUID or its event.
            Unavailable: The database is away.
        """
        posted = Posted(guid, event, body)
        self._waiting.put_nowait(posted)
        return await posted.kept

    async def run(self) -> None:
        """Write for ever; whatever comes during a write goes into the next."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell())
            await self._write()

    async def _tell(self) -> None:
        """Wake who translates, beside the next write and not before it."""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            await self.store.wake.publish(DELIVERIES)

    async def _write(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            size = len(batch[0].body)
            while not self._waiting.empty() and len(batch) < AT_ONCE and size < AT_ONCE_BYTES:
                batch.append(self._waiting.get_nowait())
                size += len(batch[-1].body)
            await self._keep_or_split(batch)

    async def _keep_or_split(self, batch: list[Posted]) -> None:
        """One that the database refuses must not take the others with it."""
        try:
            await self._keep(batch)
        except (InvalidInput, asyncpg.PostgresError) as error:
            if len(batch) > 1:
                for posted in batch:
                    await self._keep_or_split([posted])
                return
            refused = InvalidInput(f"The database cannot hold this delivery ({error}).")
            _fail(batch, error if isinstance(error, InvalidInput) else refused)
        except RigError as error:
            _fail(batch, error)
        except Exception:
            log.exception("deliveries could not be kept", size=len(batch))
            _fail(batch, Unavailable("The delivery could not be kept; the log says why."))

    async def _keep(self, batch: list[Posted]) -> None:
        large = sum(len(p.body) for p in batch) > LARGE
        packed = await asyncio.to_thread(_packed, batch) if large else _packed(batch)
        columns = [p.guid for p in batch], [p.event for p in batch], packed
        async with connection_of(self.store.pool) as connection:
            fresh = {row["guid"] for row in await connection.fetch(SQL["store_deliveries"], *columns)}
        for posted in batch:
            if not posted.kept.done():
                posted.kept.set_result(posted.guid in fresh)
            fresh.discard(posted.guid)  # the same GUID twice in a batch is new once
        self._fresh.set()


def _packed(batch: list[Posted]) -> list[bytes]:
    """Packed one after the other, which takes half as long as each when it comes."""
    return [pack(posted.body) for posted in batch]


def _fail(batch: list[Posted], error: RigError) -> None:
    for posted in batch:
        if not posted.kept.done():
            posted.kept.set_exception(error)
