"""Callers of a server that holds writers to their claims."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from servers.kit.client import ToolClient
from servers.kit.errors import Fenced
from servers.kit.tools import Caller


@dataclass
class Ledger:
    """The claims that hold, as the conductor would know them; and what was asked of it."""

    held: set[tuple[str, int]]
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def require(self, caller: Caller, repository: str) -> None:
        self.asked.append((caller.subject, repository))
        claim = caller.claim
        if caller.is_agent and (claim is None or (claim.issue, claim.fence) not in self.held):
            raise Fenced("Somebody else holds this claim now. Stop.")


@dataclass
class Agent:
    """A caller of the server."""

    client: ToolClient
    claim: dict[str, Any] | None = None

    async def call(self, tool: str, **arguments: Any) -> Any:
        return await self.client.call(tool, arguments, {"rig/claim": self.claim} if self.claim else {})
