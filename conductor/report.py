"""What may be reported from outside, and what each report becomes."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conductor.answers import Progress
from conductor.desk import Desk
from conductor.events import TokenUsage
from conductor.handler import record
from conductor.issues import commands as c
from conductor.text import all_storable, storable
from conductor.toolbox import held, once, run
from conductor.views import write_log
from servers.kit.errors import InvalidInput, NotFound
from servers.kit.tools import Caller, Claim

ReportType = Literal[
    "WORK_STARTED", "BRANCH_CREATED", "PR_CREATED", "PR_UPDATED", "TOKEN_USAGE", "GUARD_BLOCKED", "HEARTBEAT", "LOG"
]
ISSUE_KEY = re.compile(r"[\w.-]+/[\w.-]+#\d{1,9}")
MOST_TOKENS = 10**12  # in one report; their sum has to fit in 64 bits for years
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


class UsageData(_Data):
    run: str = Field(min_length=1, max_length=100)
    model: str = Field(min_length=1, max_length=100)
    issue: str = Field(default="", max_length=300)
    input_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    output_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    cache_read_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    cache_write_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    usd: float = Field(default=0, ge=0, le=100_000, allow_inf_nan=False)


class BlockedData(_Data):
    tool: str = Field(max_length=200)
    reason: str = Field(max_length=2000)


class LogData(_Data):
    run: str = Field(default="", max_length=100)
    lines: list[Annotated[str, Field(max_length=4000)]] = Field(min_length=1, max_length=500)


async def report(desk: Desk, caller: Caller, kind: ReportType, claim: Claim | None, data: dict[str, Any]) -> Progress:
    """Record what `caller` reports.

    Raises:
        InvalidInput: A field is missing or wrong, or the report needs a claim.
        Fenced, Superseded: The claim is over.
    """
    if kind == "TOKEN_USAGE":
        return await _usage(desk, caller, claim, read(UsageData, kind, data))
    if kind == "HEARTBEAT":
        await desk.dispatch.heartbeat(caller, claim, storable(str(data.get("step", "")))[:500])
        return Progress(state="new" if claim is None else await _state(desk, claim), recorded=False)
    if kind == "LOG":
        said = read(LogData, kind, data)
        await write_log(desk.pool, caller.subject, said.run, claim.issue if claim else "", said.lines)
        return Progress(state="new" if claim is None else await _state(desk, claim), recorded=False)
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
        case _:
            pull = read(PullRequestData, kind, data)
            return c.ReportPullRequest(**who, number=pull.number, head=pull.head_sha, url=pull.url)


async def _usage(desk: Desk, caller: Caller, claim: Claim | None, usage: UsageData) -> Progress:
    issue = usage.issue or (claim.issue if claim else "")
    event = TokenUsage(agent=caller.subject, **usage.model_dump(exclude={"issue"}), issue=issue)
    request = once(caller, "report_event:TOKEN_USAGE", [issue, usage.model_dump()])
    await record(desk.store, f"run-{usage.run}", event, caller.subject, issue or None, request)
    await _charge(desk, issue, usage.usd)
    return Progress(state=await _state(desk, claim) if claim else "new")


async def _charge(desk: Desk, issue: str, usd: float) -> None:
    if not usd or not ISSUE_KEY.fullmatch(issue):
        return
    with suppress(NotFound):  # what was spent on no issue of the rig stops none
        await desk.watch.spent(await desk.dispatch.stream_of(issue), issue)


async def _state(desk: Desk, claim: Claim) -> Any:
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
