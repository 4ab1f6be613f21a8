"""The lifecycle of an issue as one table: (status, event) → status; whatever is not listed is refused."""

from __future__ import annotations

from typing import get_args

from conductor.events import TYPES
from conductor.issues.issue import Status
from servers.kit.errors import IllegalTransition

TERMINAL: frozenset[Status] = frozenset({"done", "cancelled"})
ACTIVE: tuple[Status, ...] = tuple(s for s in get_args(Status) if s not in TERMINAL and s != "new")
# A judged head with the base merged in is judged already: its issue stays where it is.
CARRYING: frozenset[Status] = frozenset({"ready_to_merge", "awaiting_human", "merging"})
_WITH_PULL_REQUEST: tuple[Status, ...] = (
    "queued", "assigned", "in_progress", "in_review", "changes_requested", "awaiting_human",
    "ready_to_merge", "merging", "stuck", "escalated",
)  # fmt: skip

# Facts that leave the status where it is, wherever it is.
NEUTRAL = frozenset(
    {
        "ISSUE_PRIORITIZED", "BUDGET_EXCEEDED", "GUARD_BLOCKED", "ESCALATION_ACKNOWLEDGED", "HUMAN_GATE_REMINDER",
        "REVIEW_LOOP_EXCEEDED", "MESSAGE_SENT", "MILESTONE_COMPLETE", "TOKEN_USAGE", "AGENT_REGISTERED",
        "RIG_PAUSED", "RIG_RESUMED", "CHORE_ASSIGNED", "CHORE_DONE", "CHORE_FAILED", "WORK_JUDGED",
        "INCIDENT_REPORTED", "MEMORY_WRITE", "MEMORY_READ", "MEMORY_HIT_USED", "MEMORY_PROMOTED",
    }
)  # fmt: skip

_DEPLOYMENT = (
    "DEPLOYED_STAGING", "SMOKE_PASSED", "SMOKE_FAILED", "E2E_PASSED", "E2E_FAILED", "DEPLOYED_PRODUCTION",
)  # fmt: skip
_DEPLOYING: dict[Status, Status] = {"merging": "deploying", "deploying": "deploying", "escalated": "escalated"}

_STEPS: dict[str, dict[Status, Status]] = {
    "ISSUE_APPROVED": {"new": "queued", "cancelled": "queued", "done": "queued"},
    "ISSUE_BLOCKED": {"queued": "blocked", "blocked": "blocked"},
    "ISSUE_UNBLOCKED": {"blocked": "queued"},
    "ISSUE_EDITED": {"queued": "queued", "blocked": "blocked"},
    "ISSUE_ASSIGNED": {"queued": "assigned", "changes_requested": "assigned"},
    "ISSUE_UNASSIGNED": {
        "assigned": "queued", "in_progress": "queued", "stuck": "queued", "in_review": "in_review",
        "changes_requested": "changes_requested", "ready_to_merge": "ready_to_merge", "merging": "merging",
        "awaiting_human": "awaiting_human", "escalated": "escalated", "done": "done", "cancelled": "cancelled",
    },
    "ISSUE_CANCELLED": dict.fromkeys(ACTIVE, "cancelled"),
    "WORK_STARTED": {"assigned": "in_progress", "in_progress": "in_progress"},
    "BRANCH_CREATED": {status: status for status in _WITH_PULL_REQUEST},
    "PR_CREATED": {
        "queued": "in_review", "assigned": "in_review", "in_progress": "in_review", "stuck": "in_review",
        "escalated": "escalated", "blocked": "blocked",
    },
    "PR_UPDATED": {
        "assigned": "in_review", "in_progress": "in_review", "in_review": "in_review",
        "changes_requested": "in_review",
        "ready_to_merge": "in_review", "merging": "in_review", "awaiting_human": "in_review", "queued": "in_review",
        "stuck": "stuck", "escalated": "escalated",
    },
    "PR_CLOSED": dict.fromkeys(_WITH_PULL_REQUEST, "escalated"),
    "CI_PASSED": {status: status for status in _WITH_PULL_REQUEST},
    "CI_FAILED": {
        **{status: status for status in _WITH_PULL_REQUEST},
        "in_review": "changes_requested", "ready_to_merge": "changes_requested", "merging": "changes_requested",
        "awaiting_human": "changes_requested",
    },
    "MERGE_CONFLICT": {
        **{status: status for status in _WITH_PULL_REQUEST},
        "in_review": "changes_requested", "ready_to_merge": "changes_requested", "merging": "changes_requested",
        "awaiting_human": "changes_requested",
    },
    "REVIEW_ASSIGNED": {"in_review": "in_review"},
    "REVIEW_PASSED": {"in_review": "ready_to_merge"},
    "REVIEW_DISPUTED": {
        "in_review": "changes_requested", "ready_to_merge": "changes_requested", "merging": "changes_requested",
        "awaiting_human": "changes_requested", "changes_requested": "changes_requested", "queued": "queued",
    },
    "HUMAN_GATE_TRIGGERED": {"ready_to_merge": "awaiting_human"},
    "HUMAN_GATE_APPROVED": {"awaiting_human": "ready_to_merge"},
    "HUMAN_GATE_REJECTED": {"awaiting_human": "changes_requested"},
    "MERGE_GATE_WAITING": {"ready_to_merge": "ready_to_merge", "merging": "ready_to_merge"},
    "MERGE_GATE_PASSED": {"ready_to_merge": "merging"},
    "MERGED": {**dict.fromkeys((*_WITH_PULL_REQUEST, "blocked"), "deploying"), "cancelled": "cancelled"},
    **dict.fromkeys(_DEPLOYMENT, _DEPLOYING),
    "VERIFIED": {"deploying": "deploying", "escalated": "deploying"},
    "REPOSITORY_RENAMED": {status: status for status in get_args(Status) if status != "new"},
    "ISSUE_DONE": {"merging": "done", "deploying": "done", "blocked": "done"},
    "AGENT_STUCK": {"assigned": "stuck", "in_progress": "stuck", "in_review": "in_review"},
    "LEASE_EXPIRED": {
        "assigned": "queued", "in_progress": "queued", "in_review": "in_review", "ready_to_merge": "ready_to_merge",
        "changes_requested": "changes_requested", "merging": "merging", "awaiting_human": "awaiting_human",
        "escalated": "escalated",
    },
    "ESCALATED": dict.fromkeys(ACTIVE, "escalated"),
    "ESCALATION_DECIDED": {"escalated": "queued"},
}  # fmt: skip

TABLE: dict[tuple[Status, str], Status] = {
    **{(status, event): status for event in NEUTRAL for status in ACTIVE},
    **{(status, event): target for event, steps in _STEPS.items() for status, target in steps.items()},
}

if unlisted := set(TYPES) - NEUTRAL - set(_STEPS):
    raise AssertionError(f"the lifecycle does not say what {sorted(unlisted)} do")


def next_status(status: Status, event: str) -> Status:
    """The status after `event`.

    Raises:
        IllegalTransition: The table has no such step.
    """
    try:
        return TABLE[status, event]
    except KeyError:
        raise IllegalTransition(f"{event} is not possible while the issue is {status}.") from None


def diagram() -> str:
    """The table as a Mermaid state diagram: what moves an issue, not what leaves it where it is."""
    arrows: dict[tuple[Status, Status], list[str]] = {}
    for (source, event), target in TABLE.items():
        if source != target:
            arrows.setdefault((source, target), []).append(event)
    order = list(get_args(Status))
    lines = ["stateDiagram-v2", "    [*] --> new"]
    for (source, target), events in sorted(
        arrows.items(), key=lambda a: (order.index(a[0][0]), order.index(a[0][1]))
    ):
        lines.append(f"    {source} --> {target}: {' / '.join(sorted(events))}")
    return "\n".join([*lines, "    done --> [*]", "    cancelled --> [*]"])
