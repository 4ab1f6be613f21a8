"""Gives runs room in the budgets that they share: of an issue, an agent, a day and the whole rig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from conductor.dispatch.pauses import Pauses
from conductor.issues.budgets import Account, Exceeded, Granted, allow
from conductor.issues.limits import Limits
from conductor.store.writer import Store, connection_of
from servers.kit.character import Budget, Character
from servers.kit.database import load_queries
from servers.kit.money import Money
from servers.kit.tools import Caller, Claim
from servers.kit.wake import LocalWake

SQL = load_queries(Path(__file__).with_name("purse.sql"))
NO_CAPS = Budget()
SETTLED = "settled"
LOOK_AGAIN_SECONDS = 1.0  # for what ends in other processes, and with claims


@dataclass(frozen=True)
class Held:
    """A claim that asks for room; `holder` is the stream of its issue, or the chore."""

    caller: Caller
    claim: Claim
    holder: str


class Purse:
    """Sets room aside before model calls and counts what they cost.

    Args:
        catalogue: The characters, whose files may cap them.
    """

    def __init__(self, store: Store, catalogue: Mapping[str, Character], pauses: Pauses) -> None:
        self.store = store
        self._catalogue = catalogue
        self._pauses = pauses
        self._settled = LocalWake()

    async def reserve(self, held: Held, worst: Money, wait_seconds: float) -> Granted | Exceeded | None:
        """Room for a call that costs at most `worst`, waiting so long for others' calls to end; None without a claim.

        A day whose money is spent pauses whom it concerns, until it is over.
        """
        ends = self.store.clock.monotonic() + wait_seconds
        while True:
            seen = self._settled.count(SETTLED)
            outcome = await self._once(held, worst)
            if isinstance(outcome, Exceeded):
                await self._pause(outcome)
            remaining = ends - self.store.clock.monotonic()
            if not isinstance(outcome, Granted) or outcome.calls or remaining <= 0:
                return outcome
            await self._settled.wait(SETTLED, min(remaining, LOOK_AGAIN_SECONDS), seen)

    async def settle(self, holder: str, fence: int, agent: str, cost: Money, calls: int) -> None:
        """A run spent so much of what was set aside for it."""
        async with connection_of(self.store.pool) as connection:
            await connection.execute(SQL["settle"], holder, fence, agent, cost.micros, calls)
        self._settled.ring(SETTLED)

    async def _once(self, held: Held, worst: Money) -> Granted | Exceeded | None:
        day = midnight(self.store.clock.now())
        async with connection_of(self.store.pool) as connection, connection.transaction():
            await connection.execute(SQL["lock"])
            key = (held.holder, held.claim.fence, held.caller.subject)
            if not await connection.fetchval(SQL["holds"], *key, held.caller.instance, held.caller.boot):
                return None
            await connection.execute(SQL["forget"])
            rows = await connection.fetch(SQL["used"], held.holder, held.claim.issue, held.caller.subject, day)
            outcome = allow(self._accounts(held.caller.subject, rows), worst)
            room = outcome if isinstance(outcome, Granted) else Granted(Money(), 0)
            await connection.execute(SQL["reserve"], *key, room.money.micros, room.calls, worst.micros)
        return outcome

    def _accounts(self, agent: str, rows: list[Any]) -> list[Account]:
        character = self._catalogue.get(agent)
        caps = _caps(self.store.limits, character.budget if character else NO_CAPS)
        return [
            Account(
                row["scope"],
                agent,
                *caps[row["scope"]],
                Money(row["spent"]),
                row["calls"],
                Money(row["reserved"]),
                row["reserved_calls"],
            )
            for row in rows
        ]

    async def _pause(self, exceeded: Exceeded) -> None:
        scope = {"rig_day": "budget", "agent_day": f"budget:{exceeded.account.agent}"}.get(exceeded.account.scope)
        if scope:
            tomorrow = midnight(self.store.clock.now()) + timedelta(days=1)
            await self._pauses.begin(scope, exceeded.reason, tomorrow)


def midnight(now: datetime) -> datetime:
    """When the day of `now` began."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _caps(limits: Limits, own: Budget) -> dict[str, tuple[Money | None, int | None]]:
    return {
        "issue": (_money(limits.usd_per_issue), limits.turns_per_issue),
        "agent_issue": (_money(own.usd_per_issue), own.turns_per_issue),
        "agent_day": (_money(own.usd_per_day), own.turns_per_day),
        "rig_day": (_money(limits.usd_per_day), limits.turns_per_day),
    }


def _money(usd: float | None) -> Money | None:
    return None if usd is None else Money.of(usd)
