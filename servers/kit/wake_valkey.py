"""The wake port's Valkey adapter, which goes on through PostgreSQL for as long as Valkey is away."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from servers.kit.errors import InvalidInput
from servers.kit.logs import get
from servers.kit.wake import CHANNEL, RECONNECT_SECONDS, PostgresWake, end_if_cancelled

TIMEOUT_SECONDS = 1.0
SILENCE_SECONDS = 5.0
DEAF_SECONDS = 5.0
SCHEMES = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss", "unix": "unix"}
AWAY = (RedisError, OSError)  # redis-py's own timeout is a RedisError, asyncio's an OSError
log = get(__name__)


class Client(Redis):
    """redis-py's client, whose calls end when they are cancelled, whatever comes just then."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().execute_command(*args, **options)
        finally:
            end_if_cancelled()


@asynccontextmanager
async def open_valkey(url: str, seconds: float = TIMEOUT_SECONDS) -> AsyncGenerator[Redis]:
    """A client that fails within `seconds` rather than wait, and connects again at the next call.

    Args:
        url: As redis://user:password@host:6379/0; rediss:// with TLS, unix:///path for a socket.

    Raises:
        InvalidInput: The URL is none; what it holds is not repeated.
    """
    async with client_of(url, seconds) as client:
        yield client


def client_of(url: str, seconds: float = TIMEOUT_SECONDS) -> Redis:
    """As `open_valkey`, for whoever closes it."""
    scheme, separator, rest = url.partition("://")
    if scheme not in SCHEMES or not separator:
        raise InvalidInput("RIG_VALKEY_URL must start with redis://, rediss://, valkey://, valkeys:// or unix://.")
    times: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        return Client.from_url(f"{SCHEMES[scheme]}://{rest}", retry=Retry(NoBackoff(), 0), **times)
    except ValueError as error:
        raise InvalidInput("RIG_VALKEY_URL is malformed: it is redis://user:password@host:port/number.") from error


class ValkeyWake(PostgresWake):
    """Wake-ups through Valkey's publish and subscribe.

    A process that cannot publish there notifies through PostgreSQL instead, and one that cannot hear Valkey says so
    there: then the others use both.
    """

    def __init__(self, valkey: Redis, execute: Callable[[str, list[str]], Awaitable[object]], origin: str) -> None:
        super().__init__(execute, origin)
        self._valkey = valkey
        self._avoid_until = 0.0
        self._both_until = 0.0
        self._deaf_said = 0.0
        self._missed = False  # something may have been published in Valkey before the others knew

    async def listen(self, url: str) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(super().listen(url))
            group.create_task(self._subscribe())

    async def carry(self, payloads: list[str]) -> None:
        carried = await self._publish(payloads)
        if not carried or time.monotonic() < self._both_until:
            await super().carry(payloads)

    async def _publish(self, payloads: list[str]) -> bool:
        if time.monotonic() < self._avoid_until:
            return False
        try:
            async with self._valkey.pipeline(transaction=False) as pipeline:
                for payload in payloads:
                    pipeline.publish(CHANNEL, payload)
                await pipeline.execute()
        except AWAY:
            self._avoid_until = time.monotonic() + RECONNECT_SECONDS
            return False
        finally:
            end_if_cancelled()
        return True

    async def _subscribe(self) -> None:
        """Follow the channel for ever, connecting again when the connection breaks."""
        while True:
            with suppress(*AWAY):
                await self._subscribe_once()
            end_if_cancelled()
            await self._say_deaf()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _subscribe_once(self) -> None:
        async with self._valkey.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            asked = False
            while True:
                message: dict[str, Any] | None = await pubsub.get_message(timeout=SILENCE_SECONDS)
                end_if_cancelled()
                if message is None:
                    if asked:
                        return
                    await pubsub.ping()
                elif message["type"] == "message":
                    self.heard(bytes(message["data"]).decode(errors="replace"))
                elif message["type"] == "subscribe":
                    log.info("valkey carries the wake-ups")
                    self._missed = True
                    self.ring_all()
                asked = message is None

    async def _say_deaf(self) -> None:
        """Tell the others through PostgreSQL to use it too."""
        now = time.monotonic()
        if now >= self._deaf_said + DEAF_SECONDS / 2:
            log.warning("valkey is away; PostgreSQL carries the wake-ups")
            self._deaf_said = now
            await super().carry([f"{self._origin}!"])

    def heard(self, payload: str) -> None:
        origin, deaf, rest = payload.partition("!")
        if not deaf or rest or " " in origin:
            super().heard(payload)
        elif origin != self._origin:
            self._both_until = time.monotonic() + DEAF_SECONDS
        elif self._missed:
            self._missed = False
            self.ring_all()
