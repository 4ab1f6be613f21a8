"""What a run has used, held against every budget before each model call with the most that the call can cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.errors import BudgetExceeded
from agents.providers import Answer, Usage
from servers.kit.character import Budget
from servers.kit.money import Money

Report = Callable[[Answer], Awaitable[None]]


@dataclass(frozen=True)
class Grant:
    """Money and model calls that are set aside for a run, out of the budgets that it shares with others."""

    money: Money
    turns: int


Reserve = Callable[[Money], Awaitable[Grant]]


class Meter:
    """Counts turns and money.

    Args:
        budget: The run's own caps.
        report: Tells the conductor about each call, so that nothing spent is lost with the process.
        reserve: Sets room aside in the budgets of the issue, the day and the rig for a call that costs at most so
            much, waiting while others' calls under way may take it; raises BudgetExceeded where there is none.
    """

    def __init__(self, budget: Budget, report: Report, reserve: Reserve) -> None:
        self._budget = budget
        self._report = report
        self._reserve = reserve
        self._limit = Money.of(budget.usd)
        self._granted = Grant(Money(), 0)
        self._asked = Money()
        self.turns = 0
        self.cost = Money()
        self.usage = Usage()

    @property
    def limit(self) -> Money:
        """What the run may cost in all."""
        return self._limit

    @property
    def left(self) -> Money:
        """What the run's own budget still has."""
        return max(self._limit - self.cost, Money())

    @property
    def turns_left(self) -> int:
        """How many model calls the run's own budget still has."""
        return max(self._budget.turns - self.turns, 0)

    async def require_room(self, worst: Money) -> None:
        """Let a model call through if every budget has room for it.

        Args:
            worst: The most that the call can cost.

        Raises:
            BudgetExceeded: One has not, in money or in turns.
        """
        if self.turns_left == 0:
            reason = f"The run reached its cap of {self._budget.turns} model calls."
            raise BudgetExceeded("run", reason, self.cost, self._limit)
        if worst > self.left:
            reason = (
                f"The run spent {self.cost} of its budget of {self._limit}; its next model call can cost {worst}."
            )
            raise BudgetExceeded("run", reason, self.cost, self._limit)
        if worst > self._granted.money or self._granted.turns < 1:
            self._asked = worst
            self._granted = await self._reserve(worst)

    async def count(self, answer: Answer) -> None:
        """Add one model call."""
        self.turns += 1
        self.cost += answer.cost
        self.usage += answer.usage
        left = Grant(self._granted.money - answer.cost, self._granted.turns - 1)
        # The conductor takes back what is too little for another call like the last.
        self._granted = left if left.money >= self._asked and left.turns > 0 else Grant(Money(), 0)
        await self._report(answer)
