"""The conductor's toolbox and what its tools share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from conductor.answers import Progress
from conductor.desk import Desk
from conductor.handler import Once, digest, handle
from conductor.issues.commands import Command
from conductor.issues.issue import Issue
from conductor.text import Storable
from servers.kit.auth import AGENT_ROLES, Role
from servers.kit.tools import Caller, Claim, Toolbox

AGENTS: tuple[Role, ...] = (*AGENT_ROLES, "person")
PEOPLE: tuple[Role, ...] = ("person", "ops")
INSTRUCTIONS = (
    "The rig takes GitHub issues to merged pull requests. Look with list_issues, get_issue and explain_issue. "
    "To work: claim_assignment, heartbeat while you work, report_event as you get on, then complete_assignment or "
    "release_assignment. A refusal that starts with fenced or superseded means: stop, somebody else has the work."
)
tools = Toolbox("conductor", INSTRUCTIONS)

IssueArg = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+#\d{1,9}$", max_length=300, description="As owner/repo#12")]
Text = Annotated[Storable, Field(max_length=20_000)]
Short = Annotated[Storable, Field(max_length=500)]


def held(caller: Caller, claim: Claim) -> dict[str, Any]:
    """The fields of a command that only the holder may give; everything but the fence is the token's."""
    return {"agent": caller.subject, "instance": caller.instance, "boot": caller.boot, "fence": claim.fence}


def once(caller: Caller, tool: str, arguments: Any, render: Callable[[Issue], Any] = lambda _: {}) -> Once | None:
    """Marks what a request does, so that it happens once; None for callers that give no request id."""
    if not caller.request_id:
        return None
    return Once(caller.subject, tool, caller.request_id, digest([tool, arguments]), render)


async def run(desk: Desk, caller: Caller, tool: str, issue: str, command: Command) -> Progress:
    """Apply `command` once, however often the request comes."""
    request = once(caller, tool, [issue, repr(command)], lambda issue: {"state": issue.status})
    stream = await desk.dispatch.stream_of(issue)
    handled = await handle(desk.store, stream, command, caller.subject, caller.request_id, request)
    if handled.answer is not None:
        return Progress.model_validate(handled.answer)
    return Progress(state=handled.issue.status, recorded=bool(handled.events))
