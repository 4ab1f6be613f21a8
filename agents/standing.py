"""What an agent's process is doing, as its own page shows it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from agents.assigned import Run
from servers.kit.character import Character
from servers.kit.money import Money

State = Literal["starting", "waiting", "paused", "working", "leaving"]


@dataclass
class Standing:
    """Kept up to date by the process.

    Attributes:
        why: Why it does not work, in sentences, such as a provider's usage limit.
        run: What it works on.
        last: How the last run ended.
        runs: How many runs it had, and what they cost.
    """

    character: Character
    instance: str
    state: State = "starting"
    why: Sequence[str] = ()
    run: Run | None = None
    last: str = ""
    runs: int = 0
    spent: Money = field(default_factory=Money)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def wait(self, paused: Sequence[str] = ()) -> None:
        """There is no work, perhaps because something is paused."""
        self.state, self.why = "paused" if paused else "waiting", tuple(paused)

    def leave(self, why: str) -> None:
        """The process ends."""
        self.state, self.why = "leaving", (why,)

    @contextmanager
    def working(self, run: Run) -> Generator[None]:
        """It works on `run`."""
        self.state, self.why, self.run = "working", (), run
        try:
            yield
        finally:
            said = run.live.recent
            self.last = f"{run.assignment.issue}: {said[-1].text if said else 'nothing was said'}"
            self.runs, self.spent = self.runs + 1, self.spent + run.meter.cost
            self.run = None
            self.wait()

    def told(self) -> dict[str, Any]:
        """All of it as JSON has it; nothing in it is a credential."""
        me, run = self.character, self.run
        return {
            "character": me.name,
            "title": me.title,
            "role": me.role,
            "instance": self.instance,
            "providers": list(me.providers),
            "state": self.state,
            "why": list(self.why),
            "since": self.since.isoformat(timespec="seconds"),
            "runs": self.runs,
            "spent_usd": float(self.spent.usd),
            "last": self.last,
            "run": _run(run) if run else None,
        }


def _run(run: Run) -> dict[str, Any]:
    assignment, meter = run.assignment, run.meter
    return {
        "run": assignment.run,
        "issue": assignment.issue,
        "fence": assignment.claim.fence,
        "kind": assignment.kind,
        "attempt": assignment.attempt,
        "branch": assignment.branch,
        "step": run.doing,
        "turns": meter.turns,
        "turns_budget": run.character.budget.turns,
        "spent_usd": float(meter.cost.usd),
        "budget_usd": float(meter.limit.usd),
        "log": [{"at": line.at.isoformat(timespec="seconds"), "text": line.text} for line in run.live.recent],
    }
