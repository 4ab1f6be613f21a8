"""What became of a run, by the events that followed its beginning on the stream; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

Outcome = Literal[
    "running", "completed", "parked", "released", "over_budget", "stuck", "expired", "never_started", "superseded",
    "reassigned", "cancelled", "escalated",
]  # fmt: skip
BEGINNINGS: Final = ("ISSUE_ASSIGNED", "REVIEW_ASSIGNED", "CHORE_ASSIGNED")
COURSE: Final = (
    *BEGINNINGS, "PR_CREATED", "PR_CLOSED", "ISSUE_UNASSIGNED", "REVIEW_PASSED", "REVIEW_DISPUTED", "AGENT_STUCK",
    "LEASE_EXPIRED", "BUDGET_EXCEEDED", "ESCALATED", "ISSUE_CANCELLED", "MERGED", "CHORE_DONE", "CHORE_FAILED",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """An event as it stands in the log."""

    type: str
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Course:
    """How far a run got, and why it ended."""

    outcome: Outcome = "running"
    reason: str = ""
    ended_at: datetime | None = None
    pull_request: int | None = None
    url: str = ""


def course(agent: str, fence: int, told: Iterable[Told], start: Course | None = None) -> Course:
    """What became of the run that `agent` began under `fence`.

    Args:
        told: What followed on its stream, in order; what is behind the run's end is ignored.
        start: What was known when it began, such as the pull request that it reviews.
    """
    so_far = start or Course()
    for event in told:
        if event.type == "PR_CREATED" and event.data.get("fence") in (None, fence):
            so_far = replace(so_far, pull_request=event.data["number"], url=event.data.get("url", ""))
        elif (end := _end(agent, fence, event)) is not None:
            outcome, reason = end
            return replace(so_far, outcome=outcome, reason=reason, ended_at=event.at)
    return so_far


def _end(agent: str, fence: int, event: Told) -> tuple[Outcome, str] | None:
    data = event.data
    if data.get("fence", fence) != fence and event.type not in BEGINNINGS:
        return None  # a later, or an earlier, holder's
    match event.type:
        case "ISSUE_UNASSIGNED":
            return data["reason"], data.get("note", "")
        case "REVIEW_PASSED" | "REVIEW_DISPUTED" if data.get("fence") == fence:
            return "completed", "approved" if event.type == "REVIEW_PASSED" else "asked for changes"
        case "AGENT_STUCK":
            return "stuck", data["reason"]
        case "LEASE_EXPIRED":
            return "expired", "no heartbeat came"
        case "BUDGET_EXCEEDED" if data["agent"] == agent:
            return "over_budget", data.get("reason", "")
        case "ESCALATED":
            return "escalated", data["cause"]
        case "ISSUE_CANCELLED":
            return "cancelled", data["reason"]
        case "PR_CLOSED" | "MERGED":
            return "cancelled", f"the pull request was {event.type.removeprefix('PR_').lower()}"
        case "CHORE_DONE":
            return "completed", ""
        case "CHORE_FAILED":
            return "stuck", data["reason"]
        case _ if event.type in BEGINNINGS:
            return "superseded", f"{data['agent']} took it over"
        case _:
            return None
