"""Runs the double as a process of its own, for tests and the demo."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from rig.doubles.anthropic.faults import Fault, Kind
from rig.doubles.anthropic.journal import Entry
from rig.doubles.anthropic.serve import DEMO
from rig.doubles.process import child
from servers.kit.tls import trusted


@dataclass(frozen=True)
class AnthropicDouble:
    """A running double: its base URL, its faults and its journal."""

    url: str
    pid: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """What an SDK or the Claude Code CLI needs to talk to it."""
        return {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "sk-ant-double"}

    async def fault(self, kind: Kind, **order: Any) -> None:
        """Order a fault: `times`, `skip`, `matching`, `retry_after`, `seconds` as in `Fault`."""
        await self._call("POST", "/_double/faults", Fault(kind=kind, **order).model_dump())

    async def faults(self) -> list[Fault]:
        return [Fault.model_validate(one) for one in await self._call("GET", "/_double/faults")]

    async def clear_faults(self) -> None:
        await self._call("DELETE", "/_double/faults")

    async def requests(self) -> list[Entry]:
        return [Entry.model_validate(one) for one in await self._call("GET", "/_double/requests")]

    async def complaints(self) -> list[str]:
        """What was refused, for instance because a script met something it did not expect."""
        return [entry.error for entry in await self.requests() if entry.error]

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, verify=trusted()) as client:
            answer = await client.request(method, path, json=body)
        return answer.raise_for_status().json()


@asynccontextmanager
async def running(script: str = DEMO, port: int = 0) -> AsyncGenerator[AnthropicDouble]:
    """The double with `script` (`module:function`) on loopback for as long as the block lasts."""
    async with child("rig.doubles.anthropic", "--port", str(port), "--script", script) as (url, pid):
        yield AnthropicDouble(url, pid)
