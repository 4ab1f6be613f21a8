"""Takes one assignment to its end, whatever that end is, and tells the conductor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from agents.assigned import Run
from agents.chore import chore
from agents.develop import implement, rework
from agents.errors import BudgetExceeded, Moved, NoModel, Stopped, Stuck, UsageLimited
from agents.heartbeat import Pulse
from agents.judge import judge
from agents.parking import park
from agents.patience import first_of
from agents.review import review
from agents.run_folder import Unfinished
from agents.salvage import salvage
from agents.workspace import WorkingCopy
from servers.kit.errors import Fenced, Refused, RigError, Superseded, Unavailable
from servers.kit.logs import get

log = get(__name__)
FAREWELL_SECONDS = 3


@dataclass(frozen=True)
class Found:
    """What a killed process noted, its files, and how to get rid of them, with the reason if they are not used."""

    work: Unfinished
    files: WorkingCopy
    drop: Callable[[str | None], Awaitable[None]]


async def supervise(run: Run, pulse: Pulse, stop: Awaitable[NoReturn], found: Found | None = None) -> None:
    """Work while the heart beats and nobody says stop.

    Args:
        found: What a process of this slot that was killed left.

    Raises:
        Superseded: Another process of this slot took over; this one must leave.
        NoModel: There is none; the work is given back.
    """
    issue = run.assignment.issue
    try:
        await first_of(_perform(run, found), pulse.beat(), _forward(stop))
        log.info("done", issue=issue, turns=run.meter.turns, usd=str(run.meter.cost))
        run.live.say(f"Done after {run.meter.turns} model calls, for {run.meter.cost}.")
    except Stopped as stopped:
        await _give_back(run, str(stopped))
    except NoModel as error:
        await _give_back(run, str(error))
        raise
    except UsageLimited as limit:
        await _give_back(run, str(limit), parked=False)
    except BudgetExceeded as over:
        await _over_budget(run, over)
    except Superseded:
        raise
    except Fenced as fenced:
        log.warning("the claim is over; nothing more is written", issue=issue, reason=str(fenced))
    except Stuck as stuck:
        await _report_stuck(run, stuck)
    except RigError as error:
        await _report_stuck(run, Stuck(error.code(), str(error)))
    except Exception as error:
        log.exception("the run failed", issue=issue)
        await _report_stuck(run, Stuck("internal_error", f"The runtime failed: {type(error).__name__}: {error}"))


async def _perform(run: Run, found: Found | None) -> None:
    if found:
        await found.drop(await salvage(run, found.work, found.files))
    match run.assignment.kind:
        case "implement":
            await implement(run)
        case "rework":
            await rework(run)
        case "review":
            await review(run)
        case "verify":
            await judge(run)
        case "chore" | "answer" | "triage" | "judge" | "deploy":
            await chore(run)


async def _forward(stop: Awaitable[NoReturn]) -> None:
    await stop


async def _give_back(run: Run, reason: str, parked: bool = True) -> None:
    """Save what there is, and let the work wait for whoever goes on with it: us first, where it is `parked`."""
    if await _save(run, reason):
        await _release(run, reason, parked)


async def _over_budget(run: Run, over: BudgetExceeded) -> None:
    """Save what there is, and have a person decide what becomes of it."""
    if await _save(run, over.reason):
        money = {"usd": float(over.spent.usd), "limit_usd": float(over.limit.usd)}
        await _tell(run, "BUDGET_EXCEEDED", scope=over.scope, reason=over.reason, evidence=over.evidence, **money)


async def _save(run: Run, reason: str) -> bool:
    """Push the unfinished work; whether the claim holds."""
    issue = run.assignment.issue
    log.info("stopping", issue=issue, reason=reason)
    run.live.say(f"It stops: {reason}")
    try:
        async with asyncio.timeout(run.settings.drain_seconds):
            saved = await park(run, reason)
        log.info("parked", issue=issue, head=saved)
    except Superseded:
        raise
    except Fenced as fenced:
        log.warning("the claim is over; nothing more is written", issue=issue, reason=str(fenced))
        return False
    except (Moved, Stuck, RigError, TimeoutError) as error:
        log.warning("the unfinished work is not saved", issue=issue, reason=str(error) or "it took too long")
    return True


async def _tell(run: Run, event: str, **data: Any) -> None:
    """Report why the run ends; a conductor that is away finds out when the lease does."""
    run.last_words()
    log.warning("the run ends", issue=run.assignment.issue, report=event, reason=data["reason"])
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await run.report(event, **data)
    except Superseded:
        raise
    except (RigError, TimeoutError) as error:
        log.warning("nobody could be told why", issue=run.assignment.issue, reason=str(error) or "it took too long")


async def _release(run: Run, reason: str, parked: bool) -> None:
    """Give the work back; that it is gone already is as good."""
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await run.conductor("release_assignment", reason=reason, parked=parked)
    except (Refused, Unavailable, TimeoutError) as error:
        log.info("the claim was not released", issue=run.assignment.issue, reason=str(error))


async def _report_stuck(run: Run, stuck: Stuck) -> None:
    log.warning("stuck", issue=run.assignment.issue, error_class=stuck.error_class, reason=stuck.reason)
    run.live.say(f"Stuck ({stuck.error_class}): {stuck.reason}")
    try:
        await run.conductor(
            "report_stuck", reason=stuck.reason, error_class=stuck.error_class, evidence=stuck.evidence
        )
    except Superseded:
        raise
    except RigError as error:
        log.warning("nobody could be told that the run is stuck", issue=run.assignment.issue, reason=str(error))
