"""Why a run ends before its result; everything else that goes wrong is a `RigError`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from servers.kit.logs import redact
from servers.kit.money import Money

BudgetScope = Literal["run", "issue", "agent_issue", "agent_day", "rig_day"]
EVIDENCE = 4000
REASON = 1000


def sentence(text: str) -> str:
    """What somebody else said as it may stand on an issue: one bounded line without what looks like a credential."""
    line = " ".join(redact(text).split())
    return line if len(line) <= REASON else f"{line[: REASON - 1]}…"


class Stopped(Exception):
    """Somebody wants this run to end: the process is told to leave, or the conductor takes the work back."""


class Moved(Exception):
    """A remote branch is not where it was seen: somebody else pushed to it."""


class NoModel(Exception):
    """No model is to be had for any work: its key is refused, or it is away for too long."""

    def __init__(self, reason: str) -> None:
        super().__init__(sentence(reason))


class UsageLimited(Exception):
    """A plan's or an organisation's limit is reached, and the provider says when it ends.

    Args:
        provider: Name of the provider, as a character gives it.
        until: When it may be asked again, with its time zone.
        reason: What the provider said, in one sentence.
    """

    def __init__(self, provider: str, until: datetime, reason: str) -> None:
        self.provider = provider
        self.until = until
        self.reason = sentence(reason)
        super().__init__(f"{provider} is at its limit until {until:%Y-%m-%d %H:%M %Z}: {self.reason}")


class Stuck(Exception):
    """The run cannot reach its result; a person or another attempt has to.

    Args:
        error_class: Kind of failure in snake case, such as tests_failed; breakers count it.
        reason: One sentence.
        evidence: The last lines of whatever shows it.
    """

    def __init__(self, error_class: str, reason: str, evidence: str = "") -> None:
        self.reason = sentence(reason)
        super().__init__(self.reason)
        self.error_class = re.sub(r"[^a-z0-9]+", "_", error_class.lower()).strip("_")[:60] or "gave_up"
        self.evidence = redact(evidence)[-EVIDENCE:]


class BudgetExceeded(Exception):
    """The next model call could cost more than a budget has left; a person has to raise it, or the day to end.

    Args:
        scope: Whose budget: the run's, the issue's, this agent's on the issue or of the day, the whole rig's.
        reason: One sentence.
        spent: What was spent of it.
        limit: What it is.
        evidence: What the run was doing.
    """

    def __init__(self, scope: BudgetScope, reason: str, spent: Money, limit: Money, evidence: str = "") -> None:
        self.reason = sentence(reason)
        super().__init__(self.reason)
        self.scope: BudgetScope = scope
        self.spent = spent
        self.limit = limit
        self.evidence = redact(evidence)[-EVIDENCE:]
