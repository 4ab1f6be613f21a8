"""Why a run ends before its result; everything else that goes wrong is a `RigError`."""

from __future__ import annotations

import re

EVIDENCE = 4000


class Stopped(Exception):
    """Somebody wants this run to end: the process is told to leave, or the conductor takes the work back."""


class Moved(Exception):
    """A remote branch is not where it was seen: somebody else pushed to it."""


class NoModel(Exception):
    """No model is to be had for any work: its key is refused, or it is away for too long."""


class Stuck(Exception):
    """The run cannot reach its result; a person or another attempt has to.

    Args:
        error_class: Kind of failure in snake case, such as tests_failed; breakers count it.
        reason: One sentence.
        evidence: The last lines of whatever shows it.
    """

    def __init__(self, error_class: str, reason: str, evidence: str = "") -> None:
        super().__init__(reason)
        self.error_class = re.sub(r"[^a-z0-9]+", "_", error_class.lower()).strip("_")[:60] or "gave_up"
        self.reason = reason
        self.evidence = evidence[-EVIDENCE:]
