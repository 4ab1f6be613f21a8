"""What the conductor hands out: an assignment and the claim on it."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, Field

from servers.kit.character import Kind

NOWHERE: Final = "rig/rig"  # where work is that concerns no repository


class Claim(BaseModel):
    """The handle that every write shows."""

    issue: str
    fence: int


class PullRequest(BaseModel):
    """The pull request that is reviewed or reworked."""

    number: int
    url: str = ""
    head_sha: str
    conflicting: bool = False


class Assignment(BaseModel):
    """Offered work that this process took."""

    claim: Claim
    kind: Kind
    repository: str
    issue_number: int
    title: str
    body: str = ""
    branch: str
    base: str
    attempt: int = 1
    pull_request: PullRequest | None = None
    reason: str | None = None
    feedback: str | None = None
    run: str
    heartbeat_seconds: float = Field(default=20, gt=0)
    about: str = ""
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def issue(self) -> str:
        """The issue as owner/repo#12."""
        return self.claim.issue

    @property
    def real_repository(self) -> str | None:
        """Where the work is, unless it concerns no repository."""
        return self.repository if self.repository != NOWHERE else None

    @property
    def parking_branch(self) -> str:
        """Where unfinished work waits: the branch itself, or one beside it once there is a pull request."""
        return f"{self.branch}-parked" if self.pull_request else self.branch

    @property
    def conflicts(self) -> bool:
        """Whether the branch has to take the base in, whatever else is asked."""
        return self.reason == "merge_conflict" or (self.pull_request is not None and self.pull_request.conflicting)
