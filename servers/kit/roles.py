"""What a token may be for."""

from __future__ import annotations

from typing import Literal, get_args

AgentRole = Literal["dev", "review", "architect", "monitor", "support", "deploy"]
Role = Literal[AgentRole, "ops", "person", "hook", "service"]
AGENT_ROLES: tuple[AgentRole, ...] = get_args(AgentRole)
ROLES: tuple[Role, ...] = get_args(Role)
