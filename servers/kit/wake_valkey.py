"""The wake port's Valkey adapter."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from servers.kit.wake import CHANNEL, RECONNECT_SECONDS, LocalWake


class ValkeyWake(LocalWake):
    """Wake-ups through Valkey's publish and subscribe."""

    def __init__(self, valkey: Redis, origin: str) -> None:
        super().__init__()
        self._valkey = valkey
        self._origin = origin

    async def publish(self, *topics: str) -> None:
        await super().publish(*topics)
        with suppress(RedisError, OSError):
            for topic in topics:
                await self._valkey.publish(CHANNEL, f"{self._origin} {topic}")

    async def listen(self) -> None:
        """Follow the channel for ever, connecting again when the connection breaks."""
        while True:
            with suppress(RedisError, OSError):
                await self._listen_once()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        async with self._valkey.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "message":
                    self._heard(message["data"])
                else:  # subscribed, perhaps again: the client connects anew by itself
                    self.ring_all()

    def _heard(self, payload: bytes) -> None:
        origin, _, topic = payload.decode(errors="replace").partition(" ")
        if origin != self._origin:
            self.ring(topic)
