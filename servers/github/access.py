"""Who may reach which repository under which identity: the one way from a tool to GitHub."""

from __future__ import annotations

from dataclasses import dataclass

from servers.github.client import GitHub, Repo
from servers.github.settings import Identity
from servers.kit.claims import ClaimChecker, require_claim_on
from servers.kit.errors import Forbidden
from servers.kit.tools import Caller


@dataclass(frozen=True)
class Access:
    """What one caller may do."""

    caller: Caller
    github: GitHub
    claims: ClaimChecker

    def reading(self, repository: str) -> Repo:
        """`repository` for reading.

        Raises:
            Forbidden: It is not enrolled, or an agent's claim is on another repository.
        """
        self._require_enrolled(repository)
        if self.caller.is_agent and self.caller.claim is not None:
            require_claim_on(self.caller, repository)
        return self.github.repository(repository, self._own_identity)

    async def writing(self, repository: str, identity: Identity | None = None) -> Repo:
        """`repository` for writing, under the caller's own identity or, for a server, the one it names.

        Raises:
            Forbidden: It is not enrolled; an agent has no claim there; or the identity is not the caller's.
            Fenced, Superseded: The agent's claim no longer holds.
        """
        self._require_enrolled(repository)
        if self.caller.is_agent:
            require_claim_on(self.caller, repository)
            await self.claims.require(self.caller, repository)
        return self.github.repository(repository, self._identity(identity))

    @property
    def _own_identity(self) -> Identity:
        match self.caller.role:
            case "dev" | "review":
                return self.caller.role
            case _:
                return "conductor"

    def _identity(self, asked: Identity | None) -> Identity:
        own = self._own_identity
        if asked is None or asked == own or self.caller.role == "service":
            return asked or own
        raise Forbidden(f"The role {self.caller.role} acts as {own}; only servers choose another identity.")

    def _require_enrolled(self, repository: str) -> None:
        if not self.github.settings.allows(repository) and repository.lower() not in self.github.renamed:
            raise Forbidden(
                f"{repository} is not among the rig's repositories. An operator enrols it in RIG_REPOSITORIES."
            )
