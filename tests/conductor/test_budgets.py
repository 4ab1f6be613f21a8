"""Budgets that runs share: decided purely, then asked for by many at once over HTTP."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.events import BudgetScope
from conductor.issues.budgets import CALLS_AT_ONCE, NOTHING, Account, Exceeded, Granted, allow
from servers.kit.database import Pool
from servers.kit.errors import Fenced, Forbidden
from servers.kit.money import Money
from tests.conductor.conftest import Claimable
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.serving import Agent, Rig, serving

CENT = Money.of("0.01")
SPENT = "SELECT coalesce(sum((data->>'usd')::numeric), 0) FROM events WHERE type = 'TOKEN_USAGE'"


def account(limit: Any = 1, scope: BudgetScope = "issue", **used: Any) -> Account:
    most_calls: int | None = used.pop("most_calls", None)
    return Account(scope, "dev-e", None if limit is None else Money.of(limit), most_calls, **used)


def test_where_there_is_plenty_several_calls_are_set_aside_at_once() -> None:
    assert allow([account(100)], CENT) == Granted(CENT * CALLS_AT_ONCE, CALLS_AT_ONCE)
    assert allow([account(None)], CENT) == Granted(CENT * CALLS_AT_ONCE, CALLS_AT_ONCE)
    assert allow([account("0.05")], CENT) == Granted(CENT, 1)


def test_a_call_that_could_cost_more_than_is_left_is_refused_in_words() -> None:
    refused = allow([account(100), account(1, spent=Money.of("0.9925"))], CENT)
    assert isinstance(refused, Exceeded)
    assert refused.reason == (
        "The budget of this issue is $1.00, of which $0.99 is spent; the next model call can cost $0.01."
    )
    calls = allow([account(None, "agent_day", most_calls=3, calls=3)], CENT)
    assert isinstance(calls, Exceeded)
    assert calls.reason == "The budget of dev-e today is 3 model calls, and 3 were made."


def test_what_is_set_aside_for_others_is_waited_for_and_not_refused() -> None:
    assert allow([account(1, reserved=Money.of(1))], CENT) == Granted(NOTHING, 0)
    assert allow([account(None, most_calls=3, calls=1, reserved_calls=2)], CENT) == Granted(NOTHING, 0)


@given(
    limit=st.integers(min_value=1, max_value=10**6),
    spent=st.integers(min_value=0, max_value=10**6),
    reserved=st.integers(min_value=0, max_value=10**6),
    worst=st.integers(min_value=0, max_value=10**6),
)
def test_never_is_more_set_aside_than_a_budget_has(limit: int, spent: int, reserved: int, worst: int) -> None:
    asked = Account("issue", "a", Money(limit), None, Money(spent), 0, Money(reserved))
    given = allow([asked], Money(worst))
    if isinstance(given, Granted) and given.calls:
        assert spent + reserved + given.money.micros <= limit
        assert given.money >= Money(worst)
    else:
        assert spent + reserved + worst > limit


async def use(agent: Agent, claim: Any, usd: str, run: str = "r") -> None:
    data = {"run": run, "model": "m", "usd": float(usd)}
    await agent.call("report_event", type="TOKEN_USAGE", claim=claim, data=data)


async def work(agent: Agent, worst: Decimal, chance: random.Random) -> Any:
    """Take an issue and spend until the budget stops it; the refusal."""
    claim = (await agent.claim())["claim"]
    left, calls = Decimal(0), 0
    while True:
        if left < worst or not calls:
            room = await agent.call("reserve_budget", claim=claim, usd=float(worst))
            if room["exceeded"]:
                return room
            left, calls = Decimal(str(room["usd"])), room["calls"]
            continue
        cost = worst * chance.randint(30, 100) / 100
        await use(agent, claim, str(cost), run=claim["issue"])
        left, calls = left - cost, calls - 1
        if left < worst:
            left, calls = Decimal(0), 0


async def test_many_runs_at_once_never_spend_more_than_the_day_has(
    database_url: str, tmp_path: Path, pool: Pool
) -> None:
    limits = {"max_usd_per_day": 1, "max_usd_without_progress": 1000}
    async with serving(database_url, tmp_path, MemoryGitHub(), **limits) as rig:
        for number in range(1, 6):
            await rig.labelled(number)
        agents = [await rig.caller("dev", f"dev-{n}") for n in range(5)]
        worsts = [Decimal("0.07"), Decimal("0.11"), Decimal("0.13"), Decimal("0.05"), Decimal("0.2")]
        chance = random.Random(4)
        async with asyncio.timeout(30):
            refused = await asyncio.gather(
                *(work(agent, worst, chance) for agent, worst in zip(agents, worsts, strict=True))
            )
        spent = await pool.fetchval(SPENT)
        assert {room["exceeded"] for room in refused} == {"rig_day"}
        assert Decimal(1) - max(worsts) < spent <= 1
        ada = await rig.caller("person", "ada")
        costs = (await ada.call("get_costs", by="issue"))["result"]
        assert sum(Decimal(str(cost["usd"])) for cost in costs) == spent  # in the log and as shown, to the last digit
        assert sum(Decimal(str(cost["usd"])) for cost in (await ada.call("get_costs"))["result"]) == spent
        await rig.labelled(7)
        late = await rig.caller("dev", "late")
        assert await late.claim() is None
        await ada.call("resume", scope="budget")
        claim = (await late.claim())["claim"]
        assert (await late.call("reserve_budget", claim=claim, usd=0.2))["calls"] == 1


async def test_an_issue_that_costs_too_much_waits_for_a_person_who_may_give_it_as_much_again(
    database_url: str, tmp_path: Path
) -> None:
    limits = {"max_usd_per_issue": 1, "max_usd_without_progress": 1000}
    async with serving(database_url, tmp_path, MemoryGitHub(), **limits) as rig:
        issue = await rig.labelled()
        dev, ada = await rig.caller("dev"), await rig.caller("person", "ada")
        claim = (await dev.claim())["claim"]
        await use(dev, claim, "0.95")
        room = await dev.call("reserve_budget", claim=claim, usd=0.1)
        assert (room["exceeded"], room["spent_usd"], room["limit_usd"]) == ("issue", 0.95, 1)
        over = {"scope": "issue", "reason": room["reason"], "usd": 0.95, "limit_usd": 1, "evidence": "→ run_command"}
        said = await dev.call("report_event", type="BUDGET_EXCEEDED", claim=claim, data=over)
        assert said["state"] == "escalated"
        with pytest.raises(Fenced):
            await dev.call("reserve_budget", claim=claim, usd=0.1)
        assert (await dev.call("explain_issue", issue=issue))["waits_for"] == [
            f"A person has to decide: {room['reason']}"
        ]
        branch = (await dev.call("get_issue", issue=issue))["branch"]
        await ada.call("decide_gate", issue=issue, approve=True)
        again = await dev.claim()
        assert (again["branch"], again["attempt"]) == (branch, 1)
        assert (await dev.call("reserve_budget", claim=again["claim"], usd=0.1))["calls"] == 1
        types = [event["type"] for event in (await dev.call("get_issue", issue=issue))["timeline"]]
        assert types[-5:] == ["TOKEN_USAGE", "BUDGET_EXCEEDED", "ESCALATED", "ESCALATION_DECIDED", "ISSUE_ASSIGNED"]


async def test_what_the_day_stopped_goes_back_without_a_strike_and_its_agent_waits(
    database_url: str, tmp_path: Path, pool: Pool
) -> None:
    async with serving(database_url, tmp_path, MemoryGitHub(), max_turns_per_day=1) as rig:
        issue = await rig.labelled()
        dev = await rig.caller("dev")
        claim = (await dev.claim())["claim"]
        assert (await dev.call("reserve_budget", claim=claim, usd=0.1))["calls"] == 1
        await use(dev, claim, "0.1")
        room = await dev.call("reserve_budget", claim=claim, usd=0.1)
        over = {"scope": room["exceeded"], "reason": room["reason"], "usd": 0.1, "limit_usd": 0}
        said = await dev.call("report_event", type="BUDGET_EXCEEDED", claim=claim, data=over)
        assert said["state"] == "queued"
        assert await dev.claim() is None
        assert any(
            "The budget of the whole rig today is 1 model calls" in text
            for text in (await dev.call("explain_issue", issue=issue))["waits_for"]
        )
        comment = await pool.fetchval("SELECT data->>'body' FROM effects WHERE kind = 'comment'")
        assert "The work on this waits" in comment
        assert await pool.fetchval("SELECT until > now() FROM pauses WHERE scope = 'budget'")


async def test_nobody_has_an_issue_pay_that_they_never_held(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    dev, mallory = await rig.caller("dev"), await rig.caller("dev", "mallory")
    claim = (await dev.claim())["claim"]
    bill = {"type": "TOKEN_USAGE", "data": {"run": "r", "model": "m", "usd": 9.0, "issue": issue}}
    for said in (bill, bill | {"claim": claim, "data": {"run": "r", "model": "m", "usd": 9.0}}):
        with pytest.raises(Forbidden, match="mallory never held"):
            await mallory.call("report_event", **said)
    with pytest.raises(Fenced):
        await mallory.call("reserve_budget", claim=claim, usd=0.1)
    assert (await dev.call("get_issue", issue=issue))["state"] == "assigned"
    await dev.call("release_assignment", claim=claim, reason="later")
    assert (await dev.call("report_event", **bill))["recorded"]  # a late bill of who held it counts


async def test_money_is_kept_to_the_millionth(rig: Rig, claimable: Claimable, pool: Pool) -> None:
    await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    for _ in range(3):
        await use(dev, claim, "0.1")
    await use(dev, claim, "0.0000001")
    assert await pool.fetchval(SPENT) == Decimal("0.300001")
    [cost] = (await dev.call("get_costs"))["result"]
    assert cost["usd"] == 0.300001
