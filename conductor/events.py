"""Every fact that the rig records: past tense, immutable, stored under its name in upper snake case.

A new optional field gets a default; anything else is a new type. Old shapes are lifted only in `store.read`.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from servers.kit.errors import NotFound

Priority = Literal["critical", "high", "normal"]
Kind = Literal["implement", "review", "rework", "verify", "chore", "answer", "triage", "judge", "deploy"]
Block = Literal["dependencies", "sub_issues", "cycle", "pull_request", "questions"]
Step = Literal["staging", "smoke", "e2e", "production"]
BudgetScope = Literal["run", "issue", "agent_issue", "agent_day", "rig_day"]
Why = Literal["ci_failed", "changes_requested", "merge_conflict"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all events; `type` is the stored name."""

    type: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.type = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).upper()


class Comment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A remark on one line of a file."""

    path: str
    line: int
    body: str


# Issue


class IssueApproved(Event, frozen=True, kw_only=True):
    repository_id: int
    repository: str
    number: int
    title: str
    body: str = ""
    url: str = ""
    author: str = ""
    labels: list[str] = []
    priority: Priority = "normal"
    stack: str = ""
    base: str = "main"
    approved_by: str
    labelling: int = 0
    judge: str = ""


class IssueAssigned(Event, frozen=True, kw_only=True):
    kind: Kind
    agent: str
    instance: str
    boot: str = ""
    fence: int
    run: str
    attempt: int
    branch: str


class IssueUnassigned(Event, frozen=True, kw_only=True):
    agent: str
    fence: int
    reason: Literal["completed", "released", "never_started", "reassigned", "cancelled", "parked", "superseded"]
    note: str = ""


class IssueBlocked(Event, frozen=True, kw_only=True):
    by: list[str]
    why: Block = "dependencies"
    missing: list[str] = []
    author: str = ""
    questions: list[str] = []
    asked_by: str = ""


class IssueUnblocked(Event, frozen=True, kw_only=True):
    title: str | None = None
    body: str | None = None
    stack: str | None = None


class IssueEdited(Event, frozen=True, kw_only=True):
    title: str | None = None
    body: str | None = None
    stack: str | None = None


class IssuePrioritized(Event, frozen=True, kw_only=True):
    priority: Priority
    by: str


class IssueCancelled(Event, frozen=True, kw_only=True):
    reason: str
    by: str


class IssueDone(Event, frozen=True, kw_only=True):
    parts: list[str] = []


# Work


class WorkStarted(Event, frozen=True, kw_only=True):
    agent: str
    fence: int


class BranchCreated(Event, frozen=True, kw_only=True):
    branch: str
    fence: int


class PrCreated(Event, frozen=True, kw_only=True):
    number: int
    url: str
    head: str
    branch: str
    author: str
    fence: int | None = None


class PrUpdated(Event, frozen=True, kw_only=True):
    number: int
    head: str
    fence: int | None = None
    carried: bool = False


class PrClosed(Event, frozen=True, kw_only=True):
    number: int
    by: str = ""


class CiPassed(Event, frozen=True, kw_only=True):
    head: str
    checks: list[str] = []


class CiFailed(Event, frozen=True, kw_only=True):
    head: str
    checks: list[str] = []
    log: str = ""


class MergeConflict(Event, frozen=True, kw_only=True):
    head: str
    base: str


# Review


class ReviewAssigned(Event, frozen=True, kw_only=True):
    agent: str
    instance: str
    boot: str = ""
    fence: int
    run: str
    head: str
    round: int


class ReviewPassed(Event, frozen=True, kw_only=True):
    agent: str
    head: str
    summary: str = ""
    comments: list[Comment] = []
    fence: int | None = None


class ReviewDisputed(Event, frozen=True, kw_only=True):
    agent: str
    head: str
    summary: str = ""
    comments: list[Comment] = []
    fence: int | None = None


class ReviewLoopExceeded(Event, frozen=True, kw_only=True):
    rounds: int


# Gate


class HumanGateTriggered(Event, frozen=True, kw_only=True):
    head: str
    triggers: list[str]
    evidence: list[str] = []
    policy: str = ""


class HumanGateReminder(Event, frozen=True, kw_only=True):
    head: str


class HumanGateApproved(Event, frozen=True, kw_only=True):
    head: str
    by: str
    note: str = ""


class HumanGateRejected(Event, frozen=True, kw_only=True):
    head: str
    by: str
    note: str = ""


class MergeGateWaiting(Event, frozen=True, kw_only=True):
    head: str
    reasons: list[str]
    people: bool = False
    ci: bool = False
    refused: bool = False


class MergeGatePassed(Event, frozen=True, kw_only=True):
    head: str
    policy: str = ""


class Merged(Event, frozen=True, kw_only=True):
    head: str
    sha: str
    by: str = ""
    deploys: list[Step] = []


# Deploy


class DeployedStaging(Event, frozen=True, kw_only=True):
    sha: str
    url: str = ""
    run: str = ""


class SmokePassed(Event, frozen=True, kw_only=True):
    sha: str
    run: str = ""


class SmokeFailed(Event, frozen=True, kw_only=True):
    sha: str
    run: str = ""
    log: str = ""


class E2ePassed(Event, frozen=True, kw_only=True):
    sha: str
    run: str = ""


class E2eFailed(Event, frozen=True, kw_only=True):
    sha: str
    run: str = ""
    log: str = ""


class DeployedProduction(Event, frozen=True, kw_only=True):
    sha: str
    url: str = ""
    run: str = ""


class Verified(Event, frozen=True, kw_only=True):
    sha: str


# Recovery


class AgentStuck(Event, frozen=True, kw_only=True):
    agent: str
    fence: int
    reason: str
    error_class: str = ""
    evidence: str = ""


class LeaseExpired(Event, frozen=True, kw_only=True):
    agent: str
    fence: int


class Escalated(Event, frozen=True, kw_only=True):
    cause: str
    evidence: str = ""
    brake: str = ""


class EscalationAcknowledged(Event, frozen=True, kw_only=True):
    by: str


class EscalationDecided(Event, frozen=True, kw_only=True):
    by: str
    decision: Literal["retry", "cancel"]
    note: str = ""
    labelling: int = 0
    stack: str | None = None


class BudgetExceeded(Event, frozen=True, kw_only=True):
    agent: str
    usd: Decimal
    limit_usd: Decimal
    scope: BudgetScope = "run"
    reason: str = ""


class GuardBlocked(Event, frozen=True, kw_only=True):
    agent: str
    tool: str
    reason: str


# Agents and the rig


class AgentRegistered(Event, frozen=True, kw_only=True):
    agent: str
    role: str


class TokenUsage(Event, frozen=True, kw_only=True):
    agent: str
    run: str
    issue: str = ""
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    usd: Decimal = Decimal(0)
    turns: int = 1


class ChoreAssigned(Event, frozen=True, kw_only=True):
    kind: Kind
    agent: str
    instance: str
    fence: int
    run: str
    title: str = ""
    issue: str = ""


class ChoreDone(Event, frozen=True, kw_only=True):
    kind: Kind
    agent: str
    run: str
    summary: str = ""
    issue: str = ""


class ChoreFailed(Event, frozen=True, kw_only=True):
    kind: Kind
    agent: str
    reason: str
    issue: str = ""


class WorkJudged(Event, frozen=True, kw_only=True):
    agent: str
    run: str
    issue: str
    author: str
    head: str
    scores: dict[str, int]
    reasons: dict[str, str] = {}
    summary: str = ""


class IncidentReported(Event, frozen=True, kw_only=True):
    fingerprint: str
    repository: str
    title: str
    severity: str = ""
    occurrence: int = 1


class MessageSent(Event, frozen=True, kw_only=True):
    sender: str
    to: str
    text: str


class MilestoneComplete(Event, frozen=True, kw_only=True):
    name: str


class RepositoryRenamed(Event, frozen=True, kw_only=True):
    repository: str
    before: str = ""


class RigPaused(Event, frozen=True, kw_only=True):
    scope: str
    by: str
    reason: str = ""
    until: datetime | None = None
    now: bool = False


class RigResumed(Event, frozen=True, kw_only=True):
    scope: str
    by: str


# Memory


class MemoryWrite(Event, frozen=True, kw_only=True):
    memory: str
    agent: str
    repository: str = ""
    issue: str = ""
    kind: str = ""


class MemoryRead(Event, frozen=True, kw_only=True):
    query: str
    agent: str
    issue: str = ""
    memories: list[str] = []


class MemoryHitUsed(Event, frozen=True, kw_only=True):
    memory: str
    agent: str
    issue: str = ""
    outcome: str = "helped"


class MemoryPromoted(Event, frozen=True, kw_only=True):
    memory: str
    url: str = ""


TYPES: dict[str, type[Event]] = {cls.type: cls for cls in Event.__subclasses__()}
_DECODERS = {name: msgspec.json.Decoder(cls) for name, cls in TYPES.items()}


def decode(type_name: str, data: bytes | str | dict[str, Any]) -> Event:
    """The event that was stored as `type_name` with `data`.

    Fields that this version does not know are left out, for a newer version may have written the event.

    Raises:
        NotFound: This version knows no such type.
        msgspec.ValidationError: The data does not fit the type.
    """
    decoder = _DECODERS.get(type_name)
    if decoder is None:
        raise NotFound(f"This version of the rig knows no event {type_name}. A newer one wrote it: update the rig.")
    return msgspec.convert(data, decoder.type) if isinstance(data, dict) else decoder.decode(data)
