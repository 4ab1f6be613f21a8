"""An agent writes only under a claim that the conductor still knows."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import pytest
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.claims import ConductorClaims
from servers.kit.client import tool_client
from servers.kit.errors import Fenced, Forbidden, RigError, Superseded, Unavailable
from servers.kit.serve import Part, build_app
from servers.kit.tools import READ, Caller, Claim, Toolbox, state_of
from tests.kit.conftest import free_port
from tests.loopback import listening

conductor = Toolbox("conductor", "Answers check_claim like the conductor.")


@dataclass
class Desk:
    """What the conductor would say, and what it was asked."""

    valid: bool = True
    reason: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


async def _desk(ctx: Context[Any, Any]) -> Desk:
    return state_of(ctx)


@conductor.tool(READ, roles={"service"})
async def check_claim(
    desk: Annotated[Desk, Resolve(_desk)], claim: Claim, agent: str, instance: str, boot: str
) -> dict[str, Any]:
    """Say whether a claim holds."""
    desk.asked.append({"claim": claim.model_dump(), "agent": agent, "instance": instance, "boot": boot})
    return {"valid": desk.valid, "reason": desk.reason}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def claims(key: SigningKey, desk: Desk) -> AsyncGenerator[ConductorClaims]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Desk]:
        yield desk

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    token = key.issue("github", "service", timedelta(hours=1))
    app = build_app([Part(conductor, opened)], Verifier.of(key), url)
    async with listening(app, port=port), tool_client(f"{url}/mcp/conductor", lambda: token, attempts=1) as client:
        yield ConductorClaims(client)


def caller(role: Role = "dev", issue: str | None = "Owner/Repo#12") -> Caller:
    claim = Claim(issue=issue, fence=3) if issue else None
    return Caller("dev-e", role, "dev-e-1", "boot-1", None, claim)


@pytest.mark.parametrize("role", ["person", "ops", "service", "hook"])
async def test_those_who_are_no_agents_need_no_claim(claims: ConductorClaims, desk: Desk, role: Role) -> None:
    await claims.require(caller(role, None), "owner/repo")
    assert desk.asked == []


@pytest.mark.parametrize("role", ["dev", "review"])
async def test_an_agent_s_claim_is_checked_with_who_it_is(claims: ConductorClaims, desk: Desk, role: Role) -> None:
    await claims.require(caller(role), "owner/repo")
    assert desk.asked == [
        {"claim": {"issue": "Owner/Repo#12", "fence": 3}, "agent": "dev-e", "instance": "dev-e-1", "boot": "boot-1"}
    ]


@pytest.mark.parametrize(
    ("issue", "repository"),
    [(None, "owner/repo"), ("owner/other#12", "owner/repo"), ("owner/repo#12", "owner/repo2"), ("o/r#1", "")],
)
async def test_an_agent_without_a_claim_there_is_refused_without_asking(
    claims: ConductorClaims, desk: Desk, issue: str | None, repository: str
) -> None:
    with pytest.raises(Forbidden):
        await claims.require(caller(issue=issue), repository)
    assert desk.asked == []


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("fenced: The claim lapsed.", Fenced),
        ("superseded: Another process took it over.", Superseded),
        ("not_found: There is no such issue.", Fenced),
        ("something else", Fenced),
        ("", Fenced),
    ],
)
async def test_a_claim_that_no_longer_holds_stops_the_write(
    claims: ConductorClaims, desk: Desk, reason: str, error: type[RigError]
) -> None:
    desk.valid, desk.reason = False, reason
    with pytest.raises(error) as caught:
        await claims.require(caller(), "owner/repo")
    assert type(caught.value) is error


async def test_without_the_conductor_nothing_is_written() -> None:
    async with tool_client(f"http://127.0.0.1:{free_port()}/mcp/conductor", lambda: "t", attempts=1) as client:
        with pytest.raises(Unavailable):
            await ConductorClaims(client).require(caller(), "owner/repo")
