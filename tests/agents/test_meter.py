from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.errors import BudgetExceeded
from agents.meter import Grant, Meter
from agents.providers import Answer, Usage
from servers.kit.character import Budget
from servers.kit.money import Money

CENT = Money.of("0.01")


@dataclass
class Conductor:
    """Grants what it is told to, and notes what it is asked and told."""

    grants: list[Grant | BudgetExceeded] = field(default_factory=list[Grant | BudgetExceeded])
    asked: list[Money] = field(default_factory=list[Money])
    told: list[Answer] = field(default_factory=list[Answer])

    async def reserve(self, worst: Money) -> Grant:
        self.asked.append(worst)
        grant = self.grants.pop(0) if self.grants else Grant(worst * 100, 100)
        if isinstance(grant, BudgetExceeded):
            raise grant
        return grant

    async def report(self, answer: Answer) -> None:
        self.told.append(answer)

    def meter(self, **budget: Any) -> Meter:
        return Meter(Budget(**budget), self.report, self.reserve)


async def call(meter: Meter, worst: Money, cost: Money) -> None:
    await meter.require_room(worst)
    await meter.count(Answer("", (), Usage(1, 2, 3, 4), cost))


async def test_a_call_is_let_through_only_if_its_worst_case_fits_into_what_is_left_of_the_run() -> None:
    conductor = Conductor()
    meter = conductor.meter(usd=0.1)
    for _ in range(3):
        await call(meter, CENT * 4, CENT * 2)
    assert (meter.cost, meter.left, meter.usage) == (CENT * 6, CENT * 4, Usage(3, 6, 9, 12))
    await call(meter, CENT * 4, CENT)
    with pytest.raises(BudgetExceeded, match=r"spent \$0\.07 of its budget of \$0\.10.*can cost \$0\.04") as stopped:
        await meter.require_room(CENT * 4)
    assert (stopped.value.scope, stopped.value.spent, stopped.value.limit) == ("run", CENT * 7, CENT * 10)
    assert len(conductor.told) == 4


async def test_a_run_has_a_cap_of_model_calls() -> None:
    meter = Conductor().meter(turns=2)
    for _ in range(2):
        await call(meter, CENT, CENT)
    assert meter.turns_left == 0
    with pytest.raises(BudgetExceeded, match="cap of 2 model calls"):
        await meter.require_room(CENT)


async def test_the_conductor_is_asked_only_when_what_it_set_aside_is_used_up() -> None:
    conductor = Conductor([Grant(CENT * 12, 3), Grant(CENT * 4, 1)])
    meter = conductor.meter()
    for _ in range(3):
        await call(meter, CENT * 4, CENT)
    assert len(conductor.asked) == 1
    await call(meter, CENT * 4, CENT)
    await call(meter, CENT * 5, CENT)
    assert conductor.asked == [CENT * 4, CENT * 4, CENT * 5]


async def test_what_is_too_little_for_another_call_like_the_last_is_not_used_for_a_smaller_one() -> None:
    conductor = Conductor([Grant(CENT * 5, 2)])
    meter = conductor.meter()
    await call(meter, CENT * 4, CENT * 3)
    await call(meter, CENT, CENT)
    assert conductor.asked == [CENT * 4, CENT]


async def test_a_budget_that_is_shared_stops_the_run_with_its_own_words() -> None:
    over = BudgetExceeded("rig_day", "The day is spent.", CENT, CENT)
    meter = Conductor([over]).meter()
    with pytest.raises(BudgetExceeded, match=r"The day is spent\.") as stopped:
        await meter.require_room(CENT)
    assert stopped.value.scope == "rig_day"
