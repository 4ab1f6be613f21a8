"""Whether a model call has room in the budgets that several runs share; pure.

Room is set aside before a call and taken back when what it cost is known, so however many runs ask at once, together
they never spend more than a budget has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conductor.events import BudgetScope
from servers.kit.money import Money

CALLS_AT_ONCE = 4  # set aside together where there is plenty, for asking costs time
PLENTY = 8  # so many times more than that
NOTHING = Money()

_OF: dict[BudgetScope, str] = {
    "run": "of this run",
    "issue": "of this issue",
    "agent_issue": "of {agent} on this issue",
    "agent_day": "of {agent} today",
    "rig_day": "of the whole rig today",
}


@dataclass(frozen=True)
class Account:
    """One budget: its limits, what was spent of it, and what is set aside for others' calls."""

    scope: BudgetScope
    agent: str
    limit: Money | None
    most_calls: int | None
    spent: Money = NOTHING
    calls: int = 0
    reserved: Money = NOTHING
    reserved_calls: int = 0

    @property
    def name(self) -> str:
        """Whose budget it is, as people say it: `budget of this issue`."""
        return f"budget {_OF[self.scope].format(agent=self.agent)}"

    def refusal(self, worst: Money) -> str | None:
        """Why no further call of at most `worst` fits in, whatever becomes of others' calls; None if it may."""
        if self.most_calls is not None and self.calls >= self.most_calls:
            return f"The {self.name} is {self.most_calls} model calls, and {self.calls} were made."
        if self.limit is not None and self.spent + worst > self.limit:
            return (
                f"The {self.name} is {self.limit}, of which {self.spent} is spent; the next model call can cost "
                f"{worst}."
            )
        return None

    def fits(self, worst: Money, calls: int) -> bool:
        """Whether so many calls of at most `worst` fit in beside what is set aside for others."""
        if self.most_calls is not None and self.calls + self.reserved_calls + calls > self.most_calls:
            return False
        return self.limit is None or self.spent + self.reserved + worst * calls <= self.limit


@dataclass(frozen=True)
class Granted:
    """So much is set aside; `calls` is 0 where others' calls have to end first."""

    money: Money
    calls: int


@dataclass(frozen=True)
class Exceeded:
    """A budget is used up."""

    account: Account
    reason: str


def allow(accounts: Iterable[Account], worst: Money) -> Granted | Exceeded:
    """What is set aside for a run whose next model call costs at most `worst`."""
    accounts = list(accounts)
    for account in accounts:
        if reason := account.refusal(worst):
            return Exceeded(account, reason)
    if all(account.fits(worst, CALLS_AT_ONCE * PLENTY) for account in accounts):
        return Granted(worst * CALLS_AT_ONCE, CALLS_AT_ONCE)
    if all(account.fits(worst, 1) for account in accounts):
        return Granted(worst, 1)
    return Granted(NOTHING, 0)
