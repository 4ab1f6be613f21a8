"""Follows the rig's live stream of events, across its restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2

from servers.kit.tls import trusted

PAUSE_SECONDS = 0.2
QUIET_SECONDS = 40.0
Event = dict[str, Any]


async def events(url: str, token: str | None = None, after: int = 0) -> AsyncGenerator[Event]:
    """Each event behind position `after`, once and in order, for ever."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    patient = httpx2.Timeout(10, read=QUIET_SECONDS)
    async with httpx2.AsyncClient(trust_env=False, timeout=patient, verify=trusted()) as http:
        while True:
            try:
                address = f"{url}/events/stream"
                async with http.stream("GET", address, params={"after": after}, headers=headers) as answer:
                    answer.raise_for_status()
                    async for line in answer.aiter_lines():
                        if line.startswith("data: "):
                            event: Event = json.loads(line[6:])
                            after = event["position"]
                            yield event
            except httpx2.HTTPError:
                await asyncio.sleep(PAUSE_SECONDS)
