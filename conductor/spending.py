"""Money as agents ask for it and report it: room before a model call, what it cost, and limits of their providers."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from conductor.desk import Desk, DeskDep
from conductor.dispatch.chores import is_chore, number_of
from conductor.dispatch.purse import Held
from conductor.events import BudgetScope, TokenUsage
from conductor.handler import record
from conductor.issues.budgets import Exceeded
from conductor.store.writer import connection_of
from conductor.text import Storable
from conductor.toolbox import once, tools
from servers.kit.auth import AGENT_ROLES
from servers.kit.database import load_queries
from servers.kit.errors import Fenced, Forbidden, InvalidInput, NotFound
from servers.kit.money import Money
from servers.kit.tools import WRITE, Caller, CallerDep, Claim

SQL = load_queries(Path(__file__).with_name("spending.sql"))
ISSUE_KEY = re.compile(r"[\w.-]+/[\w.-]+#\d{1,9}")
MOST_TOKENS = 10**12  # in one report; their sum has to fit in 64 bits for years
LONGEST_LIMIT = timedelta(days=41)
WAIT_SECONDS = 10

ProviderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
Usd = Annotated[Decimal, Field(default=Decimal(0), ge=0, le=100_000, allow_inf_nan=False)]
Count = Annotated[int, Field(default=0, ge=0, le=MOST_TOKENS)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")


class UsageData(_Data):
    """What a model call cost."""

    run: str = Field(min_length=1, max_length=100)
    model: str = Field(min_length=1, max_length=100)
    issue: str = Field(default="", max_length=300)
    input_tokens: Count
    output_tokens: Count
    cache_read_tokens: Count
    cache_write_tokens: Count
    usd: Usd
    turns: int = Field(default=1, ge=0, le=10_000)


class LimitData(_Data):
    """A provider's account has used up what it may use for now."""

    provider: ProviderName
    until: AwareDatetime
    reason: Storable = Field(default="", max_length=2000)


class BudgetData(_Data):
    """The next model call could cost more than a budget has left."""

    scope: BudgetScope = "run"
    reason: Storable = Field(min_length=1, max_length=2000)
    usd: Usd
    limit_usd: Usd
    evidence: Storable = Field(default="", max_length=20_000)


class Room(BaseModel):
    """What is set aside for your next model calls."""

    usd: float = Field(description="So many US dollars, exact to the millionth")
    calls: int = Field(description="For so many calls; 0: others' calls under way may take the rest, ask again")
    exceeded: BudgetScope | None = Field(default=None, description="The budget that is used up: stop")
    reason: str = ""
    spent_usd: float = 0
    limit_usd: float = 0


@tools.tool(WRITE, AGENT_ROLES, listed=False)
async def reserve_budget(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim,
    usd: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False, description="What the call costs at most")],
) -> Room:
    """Have room set aside for your next model call in the budgets of the issue, your day and the whole rig's day.

    It replaces what was set aside for you before, and TOKEN_USAGE takes off what a call cost. Where the rest of a
    budget is set aside for others' calls it waits for them, up to ten seconds.
    """
    held = Held(caller, claim, await _holder(desk, claim))
    room = await desk.purse.reserve(held, Money.of(usd), WAIT_SECONDS)
    if room is None:
        await desk.dispatch.check(claim, caller.subject, caller.instance, caller.boot)
        raise Fenced(f"Your claim on {claim.issue} is over. Stop; do not write any more.")
    if isinstance(room, Exceeded):
        budget = room.account
        spent, limit = float(budget.spent.usd), float((budget.limit or Money()).usd)
        return Room(usd=0, calls=0, exceeded=budget.scope, reason=room.reason, spent_usd=spent, limit_usd=limit)
    return Room(usd=float(room.money.usd), calls=room.calls)


async def count(desk: Desk, caller: Caller, claim: Claim | None, usage: UsageData) -> None:
    """Record what a model call cost, and stop the issue where it buys nothing.

    Raises:
        Forbidden: It names an issue that the caller never held.
    """
    issue = usage.issue or (claim.issue if claim else "")
    stream, issue = await _charged(desk, caller, issue)
    cost = Money.of(usage.usd)
    said = usage.model_dump(exclude={"issue", "usd"})
    event = TokenUsage(agent=caller.subject, **said, issue=issue, usd=cost.usd)
    request = once(caller, "report_event:TOKEN_USAGE", [issue, usage.model_dump()])
    await record(desk.store, f"run-{usage.run}", event, caller.subject, issue or None, request)
    if claim:
        await desk.purse.settle(await _holder(desk, claim), claim.fence, caller.subject, cost, usage.turns)
    if stream and cost:
        await desk.watch.spent(stream, issue)


async def limited(desk: Desk, caller: Caller, limit: LimitData) -> None:
    """Have all agents that depend on a provider wait until its limit ends.

    Raises:
        Forbidden: The caller's character does not use it.
        InvalidInput: It ends too late to be true.
    """
    me = desk.catalogue.get(caller.subject)
    if me is not None and limit.provider not in me.providers:
        raise Forbidden(f"{caller.subject} does not use {limit.provider}; it uses {', '.join(me.providers)}.")
    if limit.until > desk.store.clock.now() + LONGEST_LIMIT:
        raise InvalidInput(f"No usage limit lasts longer than {LONGEST_LIMIT.days} days.")
    until = limit.until.astimezone(UTC)
    await desk.pauses.begin(f"provider:{limit.provider}", limit.reason, until, caller.subject)


async def _holder(desk: Desk, claim: Claim) -> str:
    return f"chore-{number_of(claim)}" if is_chore(claim) else await desk.dispatch.stream_of(claim.issue)


async def _charged(desk: Desk, caller: Caller, issue: str) -> tuple[str | None, str]:
    """The stream and the name of the issue that pays, if the rig knows it; who never held it cannot have it pay."""
    chore = issue.partition("~")[2]
    stream = None
    if ISSUE_KEY.fullmatch(issue):
        with suppress(NotFound):  # what was spent on no issue of the rig stops none
            stream = await desk.dispatch.stream_of(issue)
    if stream is None and not (chore.isascii() and chore.isdigit() and len(chore) < 19):
        return None, issue
    query, key = ("held_issue", stream) if stream else ("held_chore", int(chore))
    async with connection_of(desk.pool) as connection:
        name = await connection.fetchval(SQL[query], key, caller.subject)
    if name is None:
        raise Forbidden(f"{caller.subject} never held {issue}, so it cannot have it pay.")
    return stream, name
