"""What a run has used, held against its budget before each model call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agents.errors import Stuck
from agents.providers import Answer, Usage
from servers.kit.character import Budget

Report = Callable[[Answer], Awaitable[None]]


class Meter:
    """Counts turns and money.

    Args:
        report: Tells the conductor about each call, so that nothing spent is lost with the process.
    """

    def __init__(self, budget: Budget, report: Report) -> None:
        self._budget = budget
        self._report = report
        self.turns = 0
        self.usd = 0.0
        self.usage = Usage()

    def require_room(self) -> None:
        """Let a model call through if the budget has room for one.

        Raises:
            Stuck: The cap on turns or money is reached.
        """
        if self.turns >= self._budget.turns:
            raise Stuck("turn_cap", f"The run reached its cap of {self._budget.turns} model calls.")
        if self.usd >= self._budget.usd:
            raise Stuck("budget", f"The run spent ${self.usd:.2f} of its budget of ${self._budget.usd:.2f}.")

    async def count(self, answer: Answer) -> None:
        """Add one model call."""
        self.turns += 1
        self.usd += answer.usd
        self.usage += answer.usage
        await self._report(answer)
