"""The conductor's resources and prompts, which read through the same views as its tools."""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from conductor import presence, views
from conductor.brain import compile_brain
from conductor.desk import Desk
from servers.kit.tools import state_of


def extend(mcp: MCPServer[Any]) -> None:
    """Add the resources and prompts to the server."""
    # with a variable, for the SDK gives static resources no context
    mcp.resource("rig://agents{?role}", mime_type="application/json")(agents)
    mcp.resource("rig://issues/{owner}/{repo}/{number}", mime_type="application/json")(issue)
    mcp.resource("rig://brain{?repository}", mime_type="text/markdown")(brain)
    mcp.prompt()(pick_up_an_issue)
    mcp.prompt()(review)
    mcp.prompt()(status)


async def agents(ctx: Context[Any, Any], role: str = "") -> list[dict[str, Any]]:
    """Agents and people that were seen, latest first; with `role`, only those."""
    desk: Desk = state_of(ctx)
    seen = await presence.read_agents(desk.pool, desk.catalogue, desk.store.clock)
    return [one.model_dump(mode="json") for one in seen if role in ("", one.role)]


async def issue(owner: str, repo: str, number: str, ctx: Context[Any, Any]) -> dict[str, Any]:
    """One issue with its timeline."""
    desk: Desk = state_of(ctx)
    stream = await desk.dispatch.stream_of(f"{owner}/{repo}#{number}")
    return (await views.get_issue(desk.pool, desk.rules, stream)).model_dump(mode="json")


async def brain(ctx: Context[Any, Any], repository: str = "") -> str:
    """What is in work, what waits for people, what was done lately; of one repository or all."""
    desk: Desk = state_of(ctx)
    return await compile_brain(desk.pool, desk.rules, repository or None)


def pick_up_an_issue() -> str:
    """Claim an issue and work on it."""
    return (
        "Call claim_assignment. If you get work: report WORK_STARTED with the claim, work on the branch it names, "
        "call heartbeat at least as often as it says, open a pull request whose description has `Closes #N`, report "
        "PR_CREATED, then complete_assignment. If you cannot finish, call release_assignment or report_stuck."
    )


def review() -> str:
    """Review a pull request for the rig."""
    return (
        "Call claim_assignment with kinds [review]. Read the diff at the head it names: correctness against the "
        "issue, security, tests, documents, commits. Then call submit_review with that head, a verdict and remarks."
    )


def status() -> str:
    """Tell where the rig stands."""
    return "Call list_issues and list_agents, and explain_issue for whatever waits. Say what needs a person first."
