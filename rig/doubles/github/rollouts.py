"""What the double knows of deployments and of workflows that ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rig.doubles.github.model import User


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class DeploymentStatus:
    id: int
    state: str
    creator: User
    log_url: str = ""
    environment_url: str = ""
    created_at: datetime = field(default_factory=_now)


@dataclass
class Deployment:
    id: int
    sha: str
    ref: str
    environment: str
    creator: User
    statuses: list[DeploymentStatus] = field(default_factory=list[DeploymentStatus])
    created_at: datetime = field(default_factory=_now)


@dataclass
class WorkflowRun:
    id: int
    name: str
    head_sha: str
    head_branch: str
    actor: User
    status: str = "queued"
    conclusion: str | None = None
    created_at: datetime = field(default_factory=_now)
