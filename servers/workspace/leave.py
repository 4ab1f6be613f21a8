"""What a run's supervisor lets its commands do beyond the workspace, as it says with each call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from servers.kit.errors import InvalidInput

META = "rig/sandbox"


class Leave(BaseModel):
    """Nothing, by default; the model cannot give any, for it stands beside a tool's arguments and not among them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    readable: tuple[Path, ...] = Field(default=(), description="Further folders that commands may read")
    git: bool = Field(default=False, description="Whether the workspace's .git was laid out by the supervisor")
    hosts: tuple[str, ...] = Field(default=(), description="Hosts that commands may reach, as host or host:port")
    packages: Path | None = Field(
        default=None, description="Where is kept what a set-up fetched; only a set-up names it, and gets a copy"
    )
    keeps: bool = Field(default=False, description="Whether what it fetches now is kept there, for it is the base's")
    registries: bool = Field(default=False, description="Whether they may reach package registries too")


NO_LEAVE = Leave()


def leave_of(meta: Any) -> Leave:
    """What the `_meta` of a call gives leave for.

    Raises:
        InvalidInput: It is malformed.
    """
    said = dict(meta or {}).get(META)
    if said is None:
        return NO_LEAVE
    try:
        return Leave.model_validate(said)
    except ValidationError as error:
        raise InvalidInput(f"_meta {META} is wrong: {error.errors()[0]['msg']}.") from error
