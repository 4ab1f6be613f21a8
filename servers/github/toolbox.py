"""The server's toolbox, what a tool works on, and which roles may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from servers.github.access import Access
from servers.github.client import GitHub
from servers.kit.auth import AGENT_ROLES, Role
from servers.kit.claims import ClaimChecker
from servers.kit.tools import Toolbox, caller_of, state_of

READERS: tuple[Role, ...] = (*AGENT_ROLES, "ops", "person", "service")
WRITERS: tuple[Role, ...] = ("dev", "review", "ops", "person", "service")
REPORTERS: tuple[Role, ...] = (*WRITERS, "architect", "monitor")
AUTHORS: tuple[Role, ...] = ("dev", "ops", "person", "service")
REVIEWERS: tuple[Role, ...] = ("review", "ops", "person", "service")
STEWARDS: tuple[Role, ...] = ("ops", "person", "service")
SERVERS: tuple[Role, ...] = ("service",)
RUNTIME: tuple[Role, ...] = (*AGENT_ROLES, "service")

tools = Toolbox(
    "github",
    "Issues, pull requests, reviews, checks and merges on GitHub. Repositories are written owner/repo. "
    "An agent writes only to the repository of the issue it has claimed.",
)


@dataclass(frozen=True)
class State:
    """What the server holds while it serves."""

    github: GitHub
    claims: ClaimChecker


async def _access(ctx: Context[Any, Any]) -> Access:
    state: State = state_of(ctx)
    return Access(caller_of(ctx.request_context.meta), state.github, state.claims)


AccessDep = Annotated[Access, Resolve(_access)]
