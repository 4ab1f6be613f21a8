"""What may be reported from outside, and what each report becomes."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conductor import logbook, spending
from conductor.answers import Progress
from conductor.desk import Desk
from conductor.dispatch.chores import is_chore
from conductor.events import GuardBlocked
from conductor.handler import record
from conductor.issues import commands as c
from conductor.text import all_storable, storable
from conductor.toolbox import held, once, run
from servers.kit.errors import InvalidInput
from servers.kit.logs import redact
from servers.kit.tools import Caller, Claim

ReportType = Literal[
    "WORK_STARTED", "BRANCH_CREATED", "PR_CREATED", "PR_UPDATED", "TOKEN_USAGE", "GUARD_BLOCKED", "HEARTBEAT", "LOG",
    "USAGE_LIMITED", "BUDGET_EXCEEDED",
]  # fmt: skip
Sha = Field(pattern=r"^[0-9a-f]{40}$")
M = TypeVar("M", bound=BaseModel)


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")


class BranchData(_Data):
    branch: str = Field(min_length=1, max_length=200)


class PullRequestData(_Data):
    number: int = Field(ge=1)
    head_sha: str = Sha
    url: str = Field(default="", max_length=500)


class BlockedData(_Data):
    tool: str = Field(max_length=200)
    reason: str = Field(max_length=2000)


async def report(desk: Desk, caller: Caller, kind: ReportType, claim: Claim | None, data: dict[str, Any]) -> Progress:
    """Record what `caller` reports.

    Raises:
        InvalidInput: A field is missing or wrong, or the report needs a claim.
        Fenced, Superseded: The claim is over.
    """
    if kind == "TOKEN_USAGE":
        await spending.count(desk, caller, claim, read(spending.UsageData, kind, data))
        return Progress(state=await _state(desk, claim) if claim else "new")
    if kind == "USAGE_LIMITED":
        await spending.limited(desk, caller, read(spending.LimitData, kind, data))
        return Progress(state=await _state(desk, claim) if claim else "new")
    if kind == "HEARTBEAT":
        await desk.dispatch.heartbeat(caller, claim, storable(str(data.get("step", "")))[:500])
        return Progress(state="new" if claim is None else await _state(desk, claim), recorded=False)
    if kind == "LOG":
        await logbook.write(
            desk.pool, caller.subject, claim.issue if claim else "", read(logbook.LogData, kind, data)
        )
        await desk.wake.publish(logbook.LINES)
        return Progress(state="new" if claim is None else await _state(desk, claim), recorded=False)
    if is_chore(claim) and claim:
        return await report_on_chore(desk, caller, kind, claim, data)
    if claim is None:
        raise InvalidInput(f"{kind} needs the claim that claim_assignment answered.")
    return await run(desk, caller, f"report_event:{kind}", claim.issue, _command(caller, kind, claim, data))


def _command(caller: Caller, kind: str, claim: Claim, data: dict[str, Any]) -> c.Command:
    who = held(caller, claim)
    match kind:
        case "WORK_STARTED":
            return c.StartWork(**who)
        case "BRANCH_CREATED":
            return c.ReportBranch(**who, branch=read(BranchData, kind, data).branch)
        case "GUARD_BLOCKED":
            blocked = read(BlockedData, kind, data)
            return c.ReportGuardBlocked(**who, tool=blocked.tool, reason=blocked.reason)
        case "BUDGET_EXCEEDED":
            over = read(spending.BudgetData, kind, data)
            spent, limit, evidence = over.usd, over.limit_usd, redact(over.evidence)
            return c.ReportBudgetExceeded(
                **who, scope=over.scope, reason=over.reason, spent=spent, limit=limit, evidence=evidence
            )
        case _:
            pull = read(PullRequestData, kind, data)
            return c.ReportPullRequest(**who, number=pull.number, head=pull.head_sha, url=pull.url)


async def report_on_chore(
    desk: Desk, caller: Caller, kind: ReportType, claim: Claim, data: dict[str, Any]
) -> Progress:
    """What may be said of a chore: that it began, and what the guard refused."""
    held = await desk.dispatch.chores.check(claim, caller.subject, caller.instance, caller.boot)
    if kind == "GUARD_BLOCKED":
        blocked = read(BlockedData, kind, data)
        event = GuardBlocked(agent=caller.subject, tool=blocked.tool, reason=blocked.reason)
        request = once(caller, f"report_event:{kind}", [claim.issue, blocked.model_dump()])
        await record(desk.store, f"chore-{held.id}", event, caller.subject, held.issue or None, request)
    elif kind == "BUDGET_EXCEEDED":
        over = read(spending.BudgetData, kind, data)
        waits = over.scope in ("agent_day", "rig_day")
        await desk.dispatch.chores.give_back(caller, claim, over.reason, strike=not waits)
    elif kind != "WORK_STARTED":
        raise InvalidInput(f"{kind} is nothing that happens to a chore.")
    return Progress(state="in_progress", recorded=kind == "GUARD_BLOCKED")


async def _state(desk: Desk, claim: Claim) -> Any:
    if is_chore(claim):
        return "in_progress"
    _, issue = await desk.store.load(await desk.dispatch.stream_of(claim.issue))
    return issue.status


def read(model: type[M], kind: str, data: dict[str, Any]) -> M:
    """`data` as `model`.

    Raises:
        InvalidInput: Names each field that is missing or wrong.
    """
    try:
        return model.model_validate(all_storable(data))
    except ValidationError as error:
        wrong = "; ".join(f"data.{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
        raise InvalidInput(f"{kind}: {wrong}") from error
