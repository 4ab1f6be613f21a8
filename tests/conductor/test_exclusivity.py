"""Everybody at once on two writers: whatever order things come in, an issue has one holder and a holder one issue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest

from conductor.dispatch.claims import Dispatch
from conductor.events import IssueAssigned, ReviewAssigned, RigPaused, RigResumed, decode
from conductor.handler import handle, record
from conductor.issues import commands as c
from conductor.issues.evolve import evolve
from conductor.issues.issue import Holder, Issue, in_work
from conductor.issues.limits import Limits
from conductor.store.records import Claimed
from conductor.store.replay import differences
from conductor.store.writer import Store
from servers.kit.character import Character, Git
from servers.kit.database import Pool, open_pool
from servers.kit.errors import Refused
from servers.kit.tools import Caller, Claim
from servers.kit.wake import LocalWake, background
from tests.conductor.conftest import Approve

CAP = 3
AGENTS = 8
ROUNDS = 12
HOLDERS = "SELECT stream, fence, agent, instance, boot FROM claims ORDER BY stream"
PROJECTED = """
    SELECT stream, fence, holder AS agent, data->'holder'->>'instance' AS instance, data->'holder'->>'boot' AS boot
    FROM issues WHERE holder IS NOT NULL ORDER BY stream
"""
END_LEASES = "UPDATE claims SET heartbeat_at = now(), lease_until = now() - interval '1 hour' WHERE random() < 0.3"


def character(name: str) -> Character:
    return Character(name=name, role="dev", personality="Works.", git=Git(name=name, email=f"{name}@rig.test"))


CATALOGUE = {name: character(name) for name in (f"dev-{n}" for n in range(AGENTS))}


@pytest.fixture
async def two(pool: Pool, database_url: str) -> AsyncGenerator[list[Dispatch]]:
    """Two conductors on one database, in which only a few issues may be in work at once."""
    limits = Limits(open_issues=CAP, strikes=1000, same_failure=1000)
    async with open_pool(database_url, size=4) as pool_of_the_other:
        stores = [Store(one, LocalWake(), limits=limits) for one in (pool, pool_of_the_other)]
        async with background(stores[0].run()), background(stores[1].run()):
            yield [Dispatch(store, CATALOGUE) for store in stores]


def caller(name: str, boot: int) -> Caller:
    return Caller(subject=name, role="dev", instance=f"{name}-1", boot=str(boot), request_id=None, claim=None)


async def work(dispatch: Dispatch, name: str, dice: random.Random) -> None:
    """Claim, do one thing or another, and claim again, sometimes as a process that was started anew."""
    boot = 1
    for _ in range(ROUNDS):
        boot += dice.random() < 0.2
        me = caller(name, boot)
        with suppress(Refused):
            claimed = await dispatch.claim(me, ("implement", "rework"), 0)
            if isinstance(claimed, Claimed) and claimed.issue.holder:
                await go_on(dispatch, me, claimed.issue, claimed.issue.holder, dice)


async def go_on(dispatch: Dispatch, me: Caller, issue: Issue, holder: Holder, dice: random.Random) -> None:
    who: dict[str, Any] = {"agent": me.subject, "instance": me.instance, "boot": me.boot, "fence": holder.fence}
    await dispatch.heartbeat(me, Claim(issue=issue.key, fence=holder.fence), "at it")
    await handle(dispatch.store, issue.stream, c.StartWork(**who), me.subject)
    end = dice.choice(
        [
            None,
            c.Release(**who, reason="no", parked=True),
            c.Release(**who, reason="no"),
            c.ReportStuck(**who, reason="no"),
        ]
    )
    if end:
        await handle(dispatch.store, issue.stream, end, me.subject)


async def meddle(dispatch: Dispatch, pool: Pool, issues: list[Issue], dice: random.Random) -> None:
    """People and timers take work away, give it back and pause everything."""
    store = dispatch.store
    for _ in range(ROUNDS):
        issue = dice.choice(issues)
        with suppress(Refused):
            match dice.randrange(5):
                case 0:
                    await pool.execute(END_LEASES)
                    await dispatch.expire()
                case 1:
                    await handle(store, issue.stream, c.Reassign("no", "ada"), "ada")
                case 2:
                    await handle(store, issue.stream, c.Cancel("no", "ada"), "ada")
                case 3:
                    await handle(store, issue.stream, c.Prioritize("critical", "ada"), "ada")
                case _:
                    await record(store, "rig", RigPaused(scope="rig", by="ada"), "ada")
                    await record(store, "rig", RigResumed(scope="rig", by="ada"), "ada")


@pytest.mark.parametrize("seed", range(3))
async def test_one_holder_one_issue_and_no_more_than_may_be(
    two: list[Dispatch], approve: Approve, pool: Pool, seed: int
) -> None:
    dice = random.Random(seed)
    issues = [await approve() for _ in range(10)]
    agents = [work(two[n % 2], name, random.Random(f"{seed} {name}")) for n, name in enumerate(CATALOGUE)]
    await asyncio.gather(*agents, *(meddle(dispatch, pool, issues, dice) for dispatch in two * 2))
    assert [tuple(row) for row in await pool.fetch(HOLDERS)] == [tuple(row) for row in await pool.fetch(PROJECTED)]
    assert [problem async for problem in differences(pool)] == []
    retell(await pool.fetch("SELECT stream, version, type, data FROM events ORDER BY position"))


def retell(log: list[Any]) -> None:
    """Go through the log from the start and look at every moment of it."""
    states: dict[str, Issue] = {}
    given = 0
    for row in log:
        event = decode(row["type"], row["data"])
        before = states.get(row["stream"], Issue())
        if isinstance(event, IssueAssigned | ReviewAssigned):
            given += 1
            assert before.holder is None
            assert event.fence == before.fence + 1
            assert sum(in_work(issue) for issue in states.values()) < CAP
        if row["stream"].startswith("issue-"):
            states[row["stream"]] = evolve(before, event)
        holders = [(issue.holder.agent, issue.holder.instance) for issue in states.values() if issue.holder]
        assert len(set(holders)) == len(holders)
    assert given
