"""How a server that writes for an agent asks the conductor first whether the agent's claim still holds."""

from __future__ import annotations

from typing import Protocol

from servers.kit.client import ToolClient
from servers.kit.errors import Fenced, Forbidden, from_wire
from servers.kit.tools import Caller, Claim


def require_claim_on(caller: Caller, repository: str) -> Claim:
    """The claim that `caller` shows, which has to be on an issue of `repository`.

    Args:
        repository: As owner/repo, compared without regard to case.

    Raises:
        Forbidden: The caller shows no claim, or one on another repository.
    """
    if caller.claim is None:
        raise Forbidden("An agent writes only under a claim. Call claim_assignment first.")
    if caller.claim.repository.lower() != repository.lower():
        raise Forbidden(f"The claim is on {caller.claim.issue}, which is not in {repository}.")
    return caller.claim


class ClaimChecker(Protocol):
    """Decides whether a caller may write to a repository."""

    async def require(self, caller: Caller, repository: str) -> None: ...


class ConductorClaims:
    """Asks the conductor's `check_claim` for every write of an agent."""

    def __init__(self, conductor: ToolClient) -> None:
        self._conductor = conductor

    async def require(self, caller: Caller, repository: str) -> None:
        """Let people and servers pass; let an agent pass if its claim holds on an issue of `repository`.

        Raises:
            Forbidden: An agent shows no claim, or one on another repository.
            Fenced, Superseded: The claim lapsed, was taken away or handed over.
            Unavailable: The conductor cannot be reached.
        """
        if not caller.is_agent:
            return
        claim = require_claim_on(caller, repository)
        answer = await self._conductor.call(
            "check_claim",
            {
                "claim": claim.model_dump(),
                "agent": caller.subject,
                "instance": caller.instance,
                "boot": caller.boot,
            },
        )
        if not answer["valid"]:
            reason = from_wire(str(answer["reason"]))
            raise (reason if isinstance(reason, Fenced) or reason.code() == "superseded" else Fenced(str(reason)))
