"""The wake port, which tells parked processes that there may be work, and its PostgreSQL adapter.

A wake-up carries no data and may be lost, repeated or late; whoever waits also looks again after `timeout`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import asyncpg

from servers.kit.database import LOST
from servers.kit.logs import get

log = get(__name__)
CHANNEL = "rig_wake"
NOTIFY = "SELECT pg_notify('rig_wake', payload) FROM unnest($1::text[]) AS payload"
REFUSED = asyncpg.DataError
RECONNECT_SECONDS = 0.5


class Wake(Protocol):
    """Wakes those who wait for a topic, in this process at once and in others through the adapter."""

    async def publish(self, *topics: str) -> None:
        """Wake everybody who waits for one of `topics`; never fails, for a wake-up may be lost."""
        ...

    async def wait(self, topic: str, timeout: float, seen: int | None = None) -> bool:
        """Wait up to `timeout` seconds for `topic`; with `seen`, also for what was published since then."""
        ...

    def count(self, topic: str) -> int:
        """How often `topic` was published so far: read it, look for work, then wait with it as `seen`."""
        ...


class LocalWake:
    """Wakes within one process; the base of both adapters and enough for a test of one process."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    async def publish(self, *topics: str) -> None:
        for topic in topics:
            self.ring(topic)

    def count(self, topic: str) -> int:
        return self._counts[topic]

    def ring(self, topic: str) -> None:
        """Wake this process's waiters."""
        self._counts[topic] += 1
        for waiter in self._waiting.pop(topic, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, topic: str, timeout: float, seen: int | None = None) -> bool:
        if seen is not None and self._counts[topic] != seen:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[topic].add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._forget(topic, waiter)
        return True

    def _forget(self, topic: str, waiter: asyncio.Future[None]) -> None:
        waiters = self._waiting.get(topic, set())
        waiters.discard(waiter)
        if not waiters:
            self._waiting.pop(topic, None)

    def ring_all(self) -> None:
        """Wake everybody, also those who are about to wait: after a lost connection nobody knows what was missed."""
        for topic in {*self._counts, *self._waiting}:
            self.ring(topic)


class PostgresWake(LocalWake):
    """Wake-ups through `LISTEN`/`NOTIFY`; `origin` keeps a process from hearing itself twice.

    Nobody waits for the carrier: `listen` sends what was published, each topic once however often it was.
    """

    def __init__(self, execute: Callable[[str, list[str]], Awaitable[object]], origin: str) -> None:
        super().__init__()
        self._execute = execute
        self._origin = origin
        self._outbox: dict[str, None] = {}
        self._posted = asyncio.Event()

    async def publish(self, *topics: str) -> None:
        await super().publish(*topics)
        self._outbox.update(dict.fromkeys(topics))
        self._posted.set()

    def heard(self, payload: str) -> None:
        """Handle one notification."""
        origin, _, topic = payload.partition(" ")
        if origin != self._origin:
            self.ring(topic)

    async def listen(self, url: str) -> None:
        """Carry wake-ups to and from the database for ever, connecting again when the connection breaks."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send())
            group.create_task(self._follow(url))

    async def _send(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            topics, self._outbox = list(self._outbox), {}
            await self.carry([f"{self._origin} {topic}" for topic in topics])

    async def carry(self, payloads: list[str]) -> None:
        """Tell the other processes."""
        with suppress(*LOST, asyncpg.PostgresError):
            try:
                await self._execute(NOTIFY, payloads)
            except REFUSED:  # a name that PostgreSQL does not carry must not stop the others
                for payload in payloads:
                    with suppress(REFUSED):
                        await self._execute(NOTIFY, [payload])

    async def _follow(self, url: str) -> None:
        while True:
            with suppress(*LOST, asyncpg.PostgresError):
                await self._listen_once(url)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _on_notification(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.heard(str(payload))

    async def _listen_once(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            self.ring_all()
            await closed.wait()
        finally:
            connection.terminate()


async def wait_for_either(wake: Wake, topic: str, timeout: float, seen: int, event: asyncio.Event) -> None:
    """Wait up to `timeout` seconds for `topic`, as `Wake.wait` does, or until `event` is set."""
    woken = asyncio.ensure_future(wake.wait(topic, timeout, seen))
    happened = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({woken, happened}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()
        happened.cancel()


@asynccontextmanager
async def background(work: Awaitable[None]) -> AsyncGenerator[None]:
    """Run `work` beside the block and end it with the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def end_if_cancelled() -> None:
    """End the running task if it was told to end and what it awaited lost that.

    Before Python 3.12 `asyncio.wait_for` loses a cancellation that comes with the result, and before 3.13 a
    `TaskGroup` one that comes as a child fails.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
