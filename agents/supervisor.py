"""Takes one assignment to its end, whatever that end is, and tells the conductor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NoReturn

from agents.assigned import Run
from agents.develop import implement, rework
from agents.errors import Moved, NoModel, Stopped, Stuck
from agents.heartbeat import Pulse
from agents.judge import judge
from agents.parking import park
from agents.patience import first_of
from agents.review import review
from servers.kit.errors import Fenced, Refused, RigError, Superseded, Unavailable
from servers.kit.logs import get

log = get(__name__)
FAREWELL_SECONDS = 3


async def supervise(run: Run, pulse: Pulse, stop: Awaitable[NoReturn]) -> None:
    """Work while the heart beats and nobody says stop.

    Raises:
        Superseded: Another process of this slot took over; this one must leave.
        NoModel: There is none; the work is given back.
    """
    issue = run.assignment.issue
    try:
        await first_of(_perform(run), pulse.beat(), _forward(stop))
        log.info("done", issue=issue, turns=run.meter.turns, usd=round(run.meter.usd, 4))
    except Stopped as stopped:
        await _give_back(run, str(stopped))
    except NoModel as error:
        await _give_back(run, str(error))
        raise
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


async def _perform(run: Run) -> None:
    match run.assignment.kind:
        case "implement":
            await implement(run)
        case "rework":
            await rework(run)
        case "review":
            await review(run)
        case "verify":
            await judge(run)


async def _forward(stop: Awaitable[NoReturn]) -> None:
    await stop


async def _give_back(run: Run, reason: str) -> None:
    """Save what there is, and let the work wait for whoever goes on with it."""
    issue = run.assignment.issue
    log.info("stopping", issue=issue, reason=reason)
    try:
        async with asyncio.timeout(run.settings.drain_seconds):
            saved = await park(run, reason)
        log.info("parked", issue=issue, head=saved)
    except Superseded:
        raise
    except Fenced as fenced:
        log.warning("the claim is over; nothing more is written", issue=issue, reason=str(fenced))
        return
    except (Moved, Stuck, RigError, TimeoutError) as error:
        log.warning("the unfinished work is not saved", issue=issue, reason=str(error) or "it took too long")
    await _release(run, reason)


async def _release(run: Run, reason: str) -> None:
    """Give the work back; that it is gone already is as good."""
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await run.conductor("release_assignment", reason=reason, parked=True)
    except (Refused, Unavailable, TimeoutError) as error:
        log.info("the claim was not released", issue=run.assignment.issue, reason=str(error))


async def _report_stuck(run: Run, stuck: Stuck) -> None:
    log.warning("stuck", issue=run.assignment.issue, error_class=stuck.error_class, reason=stuck.reason)
    try:
        await run.conductor(
            "report_stuck", reason=stuck.reason, error_class=stuck.error_class, evidence=stuck.evidence
        )
    except Superseded:
        raise
    except RigError as error:
        log.warning("nobody could be told that the run is stuck", issue=run.assignment.issue, reason=str(error))
