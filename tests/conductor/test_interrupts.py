"""Critical work goes first: who is told to make room, and who is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conductor.dispatch.claims import Dispatch, kinds_for
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.issues.limits import Limits
from conductor.store.records import Claimed
from conductor.store.writer import Store
from servers.kit.auth import Role
from servers.kit.database import Pool
from servers.kit.errors import Fenced
from servers.kit.tools import Caller, Claim
from tests.conductor import histories as h
from tests.conductor.conftest import Approve
from tests.conductor.test_dispatch import CATALOGUE, caller

TOLD_LONG_AGO = "UPDATE claims SET stopping_since = now() - interval '61 seconds' WHERE stopping_for IS NOT NULL"
OTHER = caller("dev-x")


@pytest.fixture
def dispatch(store: Store) -> Dispatch:
    return Dispatch(store, CATALOGUE)


class Office:
    """Who holds what, and what each heartbeat is answered."""

    def __init__(self, dispatch: Dispatch, approve: Approve) -> None:
        self.dispatch = dispatch
        self.approve = approve

    async def take(self, who: Caller) -> Issue | None:
        claimed = await self.dispatch.claim(who, kinds_for(who.role), 0)
        return claimed.issue if isinstance(claimed, Claimed) else None

    async def busy(self, who: Caller, **changes: Any) -> Issue:
        """Lower work in the hands of `who`."""
        await self.approve(**changes)
        issue = await self.take(who)
        assert issue
        return issue

    async def told(self, who: Caller, issue: Issue) -> str | None:
        beat = await self.dispatch.heartbeat(who, Claim(issue=issue.key, fence=issue.fence), "testing")
        assert beat.until
        return beat.stop

    async def hand_in(self, issue: Issue, number: int) -> Issue:
        """The work of `issue` becomes a pull request with green checks."""
        store, who = self.dispatch.store, h.held(issue)
        await handle(store, issue.stream, c.ReportPullRequest(**who, number=number, head="d" * 40), "dev-e")
        done = await handle(store, issue.stream, c.Complete(**who), "dev-e")
        return (await handle(store, issue.stream, h.look(done.issue), "github")).issue


@pytest.fixture
def office(dispatch: Dispatch, approve: Approve) -> Office:
    return Office(dispatch, approve)


def words(issue: Issue) -> str:
    return f"critical {issue.key} goes first; push what you have and give the work back"


class TestAHolderOfLowerWork:
    async def test_is_told_at_its_heartbeat_and_gets_its_work_back_later(self, office: Office, store: Store) -> None:
        mine = await office.busy(caller())
        assert await office.told(caller(), mine) is None
        urgent = await office.approve("critical")
        assert await office.told(caller(), mine) == words(urgent)
        assert await office.told(caller(), mine) == words(urgent), "as long as it goes on"
        await handle(store, mine.stream, c.Release(**h.held(mine), reason="told to", parked=True), "dev-e")
        first = await office.take(caller())
        assert first
        assert first.stream == urgent.stream
        await handle(store, first.stream, c.Release(**h.held(first), reason="done", parked=False), "dev-e")
        await handle(store, first.stream, c.Cancel("No need.", "ada"), "ada")
        assert await office.take(OTHER) is None, "it waits for whoever had it"
        again = await office.take(caller())
        assert again
        assert (again.stream, again.branch, again.attempt, again.strikes) == (mine.stream, mine.branch, 1, 0)

    async def test_is_one_for_each_critical_issue_however_many_beat_at_once(self, office: Office) -> None:
        mine, others = await office.busy(caller()), await office.busy(OTHER)
        await office.approve("critical")
        told = await asyncio.gather(office.told(caller(), mine), office.told(OTHER, others))
        assert sorted(word is None for word in told) == [False, True]
        await office.approve("critical")
        told = await asyncio.gather(office.told(caller(), mine), office.told(OTHER, others))
        assert None not in told
        assert len(set(told)) == 2

    async def test_is_nobody_else_while_the_one_that_made_room_comes_back(self, office: Office, store: Store) -> None:
        mine, others = await office.busy(caller()), await office.busy(OTHER)
        await office.approve("critical")
        assert await office.told(caller(), mine)
        await handle(store, mine.stream, c.Release(**h.held(mine), reason="told to", parked=True), "dev-e")
        assert await office.told(OTHER, others) is None

    async def test_is_somebody_else_when_it_did_not_come(self, office: Office, store: Store, pool: Pool) -> None:
        mine, others = await office.busy(caller()), await office.busy(OTHER)
        await office.approve("critical")
        assert await office.told(caller(), mine)
        await handle(store, mine.stream, c.Release(**h.held(mine), reason="told to", parked=True), "dev-e")
        await pool.execute("UPDATE interrupts SET told_at = now() - interval '121 seconds'")
        assert await office.told(OTHER, others)

    async def test_that_goes_on_for_a_minute_is_parked_and_fenced(
        self, office: Office, store: Store, pool: Pool
    ) -> None:
        mine = await office.busy(caller())
        await office.approve("critical")
        assert await office.told(caller(), mine)
        await pool.execute(TOLD_LONG_AGO)
        for _ in range(2):
            with pytest.raises(Fenced, match="Stop; do not write any more"):
                await office.told(caller(), mine)
        _, parked = await store.load(mine.stream)
        assert (parked.status, parked.parked, parked.strikes) == ("queued", "dev-e", 0)

    async def test_goes_on_after_all_once_somebody_else_took_it(self, office: Office, pool: Pool) -> None:
        mine = await office.busy(caller())
        await office.approve("critical")
        assert await office.told(caller(), mine)
        assert await office.take(caller(instance="dev-e-2"))
        await pool.execute(TOLD_LONG_AGO)
        assert await office.told(caller(), mine) is None
        assert await pool.fetchval("SELECT count(*) FROM claims WHERE stopping_for IS NOT NULL") == 0

    async def test_is_a_reviewer_where_the_review_is_critical(self, office: Office) -> None:
        lower = await office.hand_in(await office.busy(caller()), 71)
        reviewer = caller("review-e", "review")
        review = await office.take(reviewer)
        assert review
        assert review.stream == lower.stream
        await office.approve("critical")
        assert await office.told(reviewer, review) is None, "it is no reviewer's to implement"
        urgent = await office.take(OTHER)
        assert urgent
        urgent = await office.hand_in(urgent, 72)
        assert await office.told(reviewer, review) == words(urgent)


async def test_room_is_made_in_a_repository_that_is_full(office: Office, store: Store) -> None:
    store.limits = Limits(open_issues=2)
    mine, others = await office.busy(caller()), await office.busy(OTHER)
    urgent = await office.approve("critical")
    assert await office.take(caller("dev-9")) is None
    assert await office.told(caller(), mine) == words(urgent)
    assert await office.told(OTHER, others) is None
    await handle(store, mine.stream, c.Release(**h.held(mine), reason="told to", parked=True), "dev-e")
    taken = await office.take(caller())
    assert taken
    assert taken.stream == urgent.stream


@pytest.mark.parametrize(
    ("who", "changes"),
    [
        ("dev", {"stack": "dotnet"}),
        ("person", {}),
    ],
    ids=["another stack", "a person"],
)
async def test_nobody_is_told_who_could_not_do_it_or_is_a_person(
    office: Office, who: Role, changes: dict[str, Any]
) -> None:
    holder = caller("dev-e" if who == "dev" else "ada", who)
    mine = await office.busy(holder)
    await office.approve("critical", **changes)
    assert await office.told(holder, mine) is None


@pytest.mark.parametrize("scope", ["rig", "acme/tally", "agent:dev-e"])
async def test_nobody_is_told_for_what_is_paused(office: Office, pool: Pool, scope: str) -> None:
    mine = await office.busy(caller())
    await office.approve("critical")
    await pool.execute("INSERT INTO pauses (scope, by) VALUES ($1, 'ada')", scope)
    assert await office.told(caller(), mine) is None


async def test_critical_work_is_never_parked(office: Office) -> None:
    mine = await office.busy(caller(), priority="critical")
    await office.approve("critical")
    assert await office.told(caller(), mine) is None
