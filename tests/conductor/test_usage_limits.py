"""A provider's usage limit pauses everybody who depends on it, until it ends or a person lifts it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conductor.dispatch.claims import Dispatch, kinds_for
from conductor.dispatch.pauses import Pauses
from conductor.events import RigPaused
from conductor.handler import record
from conductor.store.records import Claimed
from conductor.store.writer import Store
from servers.kit.character import Character
from servers.kit.clock import ManualClock
from servers.kit.database import Pool
from servers.kit.errors import Forbidden, InvalidInput
from servers.kit.tools import Caller
from servers.kit.wake import LocalWake, background
from tests.conductor.conftest import ROOMY, Approve, Claimable
from tests.conductor.serving import Rig
from tests.conductor.test_dispatch import caller
from tests.fixtures_waiting import Eventually

START = datetime(2026, 1, 1, 13, 0, tzinfo=UTC)
HALF_PAST_TWO = START + timedelta(minutes=90)
PAUSED = "SELECT scope FROM pauses ORDER BY scope"
NEVER_ENDING = RigPaused(scope="provider:anthropic", by="dev-e", until=HALF_PAST_TWO)


def character(name: str, *providers: str) -> Character:
    said: dict[str, Any] = {
        "name": name,
        "role": "dev",
        "personality": "You are Dev-E.",
        "git": {"name": "Dev-E", "email": "dev-e@example.org"},
        "llm": {"provider": providers[0]},
        "fallbackProviders": [{"provider": provider} for provider in providers[1:]],
    }
    return Character.model_validate(said)


CATALOGUE = {
    one.name: one
    for one in (
        character("dev-1", "anthropic"),
        character("dev-2", "anthropic"),
        character("dev-3", "anthropic", "codex-cli"),
    )
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def store(pool: Pool, clock: ManualClock) -> Any:
    opened = Store(pool, LocalWake(), clock=clock, limits=ROOMY)
    async with background(opened.run()):
        yield opened


class Counted(Dispatch):
    """Counts how often work is looked for."""

    looks = 0

    async def _best(self, caller: Caller, request: Any) -> Any:
        self.looks += 1
        return await super()._best(caller, request)


@pytest.fixture
def dispatch(store: Store) -> Counted:
    return Counted(store, CATALOGUE)


async def park(dispatch: Dispatch, name: str) -> str:
    """Ask again and again, as an agent does."""
    while (found := await take(dispatch, name, 20)) is None:
        pass
    return found


async def take(dispatch: Dispatch, name: str, seconds: float = 0) -> str | None:
    claimed = await dispatch.claim(caller(name), kinds_for("dev"), seconds)
    return claimed.issue.key if isinstance(claimed, Claimed) else None


async def test_only_who_has_no_other_provider_waits_and_all_go_on_when_the_limit_ends(
    store: Store, dispatch: Counted, approve: Approve, clock: ManualClock, eventually: Eventually, pool: Pool
) -> None:
    issues = {(await approve()).key for _ in range(3)}
    pauses = Pauses(store)
    assert await pauses.begin("provider:anthropic", "5-hour limit", HALF_PAST_TWO, "dev-1")
    assert await dispatch.demand() == {"dev-3": 3}
    assert await take(dispatch, "dev-3") in issues
    async with background(pauses.run()):
        parked = [asyncio.create_task(park(dispatch, name)) for name in ("dev-1", "dev-2")]
        await eventually(lambda: dispatch.looks >= 3)
        clock.advance(89 * 60)
        for _ in range(50):
            assert await pool.fetch(PAUSED)
        assert dispatch.looks < 8  # who is parked looks when something happened, not all the time
        clock.advance(2 * 60)
        async with asyncio.timeout(10):
            assert set(await asyncio.gather(*parked)) < issues
    assert not await pool.fetch(PAUSED)
    assert sum(event.type == "RIG_RESUMED" for event in await store.read("rig")) == 1


async def test_a_limit_outlives_the_conductor_and_ends_while_it_is_away(
    store: Store, dispatch: Counted, approve: Approve, clock: ManualClock, pool: Pool, eventually: Eventually
) -> None:
    await approve()
    await record(store, "rig", NEVER_ENDING, "dev-e")
    again = Counted(Store(pool, LocalWake(), clock=clock, limits=ROOMY), CATALOGUE)
    async with background(again.store.run()):
        assert await take(again, "dev-1") is None
        clock.advance(3 * 3600)
        async with background(Pauses(again.store).run()), background(Pauses(store).run()):
            await eventually(lambda: _gone(pool))
        assert await take(again, "dev-1")
    assert [event.type for event in await store.read("rig")] == ["RIG_PAUSED", "RIG_RESUMED"]


async def _gone(pool: Pool) -> bool:
    return not await pool.fetch(PAUSED)


async def test_the_longer_limit_counts_and_a_shorter_one_changes_nothing(store: Store, pool: Pool) -> None:
    pauses = Pauses(store)
    for minutes, new in ((60, True), (30, False), (90, True)):
        until = START + timedelta(minutes=minutes)
        assert await pauses.begin("provider:anthropic", f"{minutes}", until, "dev-1") is new
    assert await pool.fetchval("SELECT until FROM pauses") == START + timedelta(minutes=90)
    assert await pauses.end_due() == []


async def test_work_that_met_a_limit_is_back_without_a_strike_and_a_person_lifts_the_limit(
    rig: Rig, claimable: Claimable, pool: Pool
) -> None:
    issue = await claimable()
    agents = [await rig.caller("dev", f"dev-{n}") for n in range(3)]
    ada = await rig.caller("person", "ada")
    asked = {"providers": ["anthropic"]}
    claim = (await agents[0].call("claim_assignment", **asked))["assignment"]["claim"]
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    limit = {"provider": "anthropic", "until": until, "reason": "Your 5-hour limit is reached"}
    await agents[0].call("report_event", type="USAGE_LIMITED", claim=claim, data=limit)
    await agents[0].call("release_assignment", claim=claim, reason="anthropic is at its limit")
    said = await ada.call("explain_issue", issue=issue)
    assert said["state"] == "queued"
    assert any("anthropic is at its usage limit until" in reason for reason in said["waits_for"])
    parked = [asyncio.create_task(agent.call("claim_assignment", wait_seconds=15, **asked)) for agent in agents]
    other = await rig.caller("dev", "dev-9")
    await claimable()
    got = await other.call("claim_assignment", providers=["anthropic", "codex-cli"])
    assert (got["assignment"]["claim"]["issue"], got["assignment"]["attempt"]) == (issue, 1)
    assert not any(task.done() for task in parked)
    await claimable()
    await claimable()
    await ada.call("resume", scope="provider:anthropic")
    async with asyncio.timeout(10):
        taken = [answer["assignment"]["claim"]["issue"] for answer in await asyncio.gather(*parked)]
    assert len({issue, *taken}) == 4
    assert await pool.fetchval("SELECT count(*) FROM events WHERE type = 'AGENT_STUCK'") == 0


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"until": "2026-01-01T00:00:00"}, "until"),
        ({"until": "2999-01-01T00:00:00Z"}, "No usage limit lasts longer"),
        ({"provider": "../x"}, "provider"),
        ({"provider": None}, "provider"),
    ],
)
async def test_a_limit_that_cannot_be_is_refused(rig: Rig, change: dict[str, Any], wrong: str) -> None:
    dev = await rig.caller("dev")
    limit = {"provider": "anthropic", "until": "2026-01-01T00:00:00Z", "reason": "r"} | change
    with pytest.raises(InvalidInput, match=wrong):
        await dev.call("report_event", type="USAGE_LIMITED", data=limit)
    with pytest.raises((InvalidInput, Forbidden)):
        await dev.call("resume", scope="provider:anthropic")


async def test_a_run_stops_at_its_next_heartbeat_where_a_person_says_now(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev, ada = await rig.caller("dev"), await rig.caller("person", "ada")
    claim = (await dev.claim())["claim"]
    await ada.call("pause", scope="agent:dev-e", reason="Lunch")
    assert (await dev.call("heartbeat", claim=claim))["stop"] is None
    await ada.call("pause", scope="rig", reason="It runs wild", now=True)
    assert (await dev.call("heartbeat", claim=claim))["stop"] == "rig is paused by ada: It runs wild"
    await ada.call("resume", scope="rig")
    assert (await dev.call("heartbeat", claim=claim))["stop"] is None
