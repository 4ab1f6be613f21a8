"""A conductor that gives out what it is handed and notes what it is told."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from servers.kit.errors import Fenced, RigError, Superseded
from servers.kit.tools import WRITE, Caller, CallerDep, Claim, Toolbox, state_of

REPOSITORY = "ada/tally"
tools = Toolbox("conductor", "Gives out work and notes what it is told.")


@dataclass
class Conductor:
    """Offers assignments and notes every call; refuses with `refuse` whatever `refused` names."""

    offers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    refuse: RigError | None = None
    refused: set[str] = field(default_factory=set[str])
    stop: str | None = None
    renewed: str | None = None
    letters: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    read: list[int] = field(default_factory=list[int])
    fence: int = 0
    holder: tuple[str, str] = ("", "")
    rooms: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, what: str, **said: Any) -> None:
        async with self.changed:
            self.told.append((what, said))
            self.changed.notify_all()
        if self.refuse and (what in self.refused or not self.refused):
            raise self.refuse

    async def heard(self, what: str, seconds: float = 30, times: int = 1) -> dict[str, Any]:
        """What was said with the first `what`, once it is said so often."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: self.names.count(what) >= times)
        return self.said(what)[0]

    def offer(self, kinds: list[str]) -> dict[str, Any] | None:
        """Work of one of these kinds."""
        return next((one for one in self.offers if one["kind"] in kinds), None)

    async def require(self, caller: Caller, repository: str) -> None:
        """Check a claim as the GitHub server wants it checked."""
        await self.note("check_claim")
        if caller.is_agent and (caller.claim is None or caller.claim.fence != self.fence):
            raise Fenced("The claim is over. Stop.")

    @property
    def names(self) -> list[str]:
        return [what for what, _ in self.told]

    def said(self, what: str) -> list[dict[str, Any]]:
        return [said for name, said in self.told if name == what]

    def facts(self) -> list[str]:
        """What was told, without the routine."""
        routine = ("claim_assignment", "heartbeat", "check_claim", "TOKEN_USAGE", "reserve_budget", "LOG")
        return [name for name in self.names if name not in routine]


async def _conductor(ctx: Context[Any, Any]) -> Conductor:
    return state_of(ctx)


ConductorDep = Annotated[Conductor, Resolve(_conductor)]
Answer = dict[str, Any]


@tools.tool(WRITE)
async def claim_assignment(
    conductor: ConductorDep,
    caller: CallerDep,
    kinds: list[str] | None = None,
    wait_seconds: float = 0,
    providers: list[str] | None = None,
) -> Answer:
    await conductor.note("claim_assignment", kinds=kinds, instance=caller.instance, boot=caller.boot)
    offer, ends = conductor.offer(kinds or []), time.monotonic() + wait_seconds
    while offer is None and time.monotonic() < ends:
        await asyncio.sleep(0.02)
        offer = conductor.offer(kinds or [])
    if offer is None:
        return {"assignment": None}
    if conductor.holder != (caller.instance, caller.boot):
        conductor.fence += 1
        conductor.holder = (caller.instance, caller.boot)
    issue = f"{REPOSITORY}#{offer['issue_number']}"
    return {"assignment": offer | {"claim": {"issue": issue, "fence": conductor.fence}}}


@tools.tool(WRITE)
async def heartbeat(
    conductor: ConductorDep,
    caller: CallerDep,
    claim: Claim | None = None,
    step: str = "",
    note: str = "",
    read: list[int] | None = None,
) -> Answer:
    conductor.read += read or []
    await conductor.note("heartbeat", step=step, token=caller.token_id)
    letters = [one for one in conductor.letters if one["id"] not in conductor.read]
    said = {"stop": conductor.stop, "token": conductor.renewed, "messages": letters}
    return {"lease_until": "2026-01-01T00:00:00Z"} | said


@tools.tool(WRITE)
async def report_event(
    conductor: ConductorDep, caller: CallerDep, type: str, claim: Claim, data: dict[str, Any]
) -> Answer:
    await conductor.note(type, **data)
    if caller.claim != claim or claim.fence != conductor.fence:
        raise Superseded("Another process took it over. Stop.")
    if type == "BUDGET_EXCEEDED":
        conductor.offers.clear()
    return {"recorded": True, "state": "in_progress"}


@tools.tool(WRITE)
async def reserve_budget(conductor: ConductorDep, claim: Claim, usd: float) -> Answer:
    await conductor.note("reserve_budget", usd=usd)
    return conductor.rooms.pop(0) if conductor.rooms else {"usd": 10 * usd, "calls": 10, "exceeded": None}


@tools.tool(WRITE)
async def complete_assignment(
    conductor: ConductorDep, claim: Claim, summary: str = "", result: dict[str, Any] | None = None
) -> Answer:
    conductor.offers.clear()
    await conductor.note("complete_assignment", summary=summary, **({"result": result} if result else {}))
    return {"state": "in_review"}


@tools.tool(WRITE)
async def release_assignment(conductor: ConductorDep, claim: Claim, reason: str, parked: bool = False) -> Answer:
    conductor.offers.clear()
    await conductor.note("release_assignment", reason=reason, parked=parked)
    return {"state": "queued"}


@tools.tool(WRITE)
async def report_stuck(conductor: ConductorDep, claim: Claim, reason: str, error_class: str, evidence: str) -> Answer:
    conductor.offers.clear()
    await conductor.note("report_stuck", reason=reason, error_class=error_class, evidence=evidence)
    return {"state": "stuck"}


@tools.tool(WRITE)
async def submit_review(
    conductor: ConductorDep,
    claim: Claim,
    head_sha: str,
    verdict: Literal["approve", "request_changes"],
    summary: str,
    comments: list[dict[str, Any]],
) -> Answer:
    conductor.offers.clear()
    await conductor.note("submit_review", head_sha=head_sha, verdict=verdict, summary=summary, comments=comments)
    return {"state": "ready_to_merge"}


@tools.tool(WRITE)
async def submit_readiness(
    conductor: ConductorDep, claim: Claim, ready: bool, questions: list[str] | None = None
) -> Answer:
    conductor.offers.clear()
    await conductor.note("submit_readiness", ready=ready, questions=questions)
    return {"state": "queued"}
