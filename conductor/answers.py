"""What the conductor's tools answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from conductor.dispatch.chores import Held
from conductor.dispatch.claims import feedback_of
from conductor.events import Kind, Priority
from conductor.issues.issue import Issue, Status
from conductor.messages import Message
from servers.kit.tools import Claim


class PullRequestRef(BaseModel):
    """The pull request that the work is about."""

    number: int
    url: str
    head_sha: str
    conflicting: bool = Field(description="Whether it conflicts with its base right now")


class Assignment(BaseModel):
    """Work that was claimed."""

    claim: Claim
    kind: Kind
    repository: str
    repository_id: int
    issue_number: int
    title: str
    body: str
    url: str
    labels: list[str]
    priority: Priority
    attempt: int
    branch: str = Field(description="The branch to work on")
    base: str
    pull_request: PullRequestRef | None
    reason: Literal["ci_failed", "changes_requested", "merge_conflict"] | None = Field(
        description="Why rework is asked"
    )
    feedback: str | None = Field(description="What has to be answered, or the evidence of a failed attempt")
    run: str = Field(description="Names this attempt in commits and costs")
    heartbeat_seconds: float = Field(description="Call heartbeat at least this often")
    about: str = Field(default="", description="The issue that a chore is about, as owner/repo#12")
    data: dict[str, Any] = Field(default_factory=dict, description="What else there is to know of a chore")


class ClaimAnswer(BaseModel):
    """The work, or null where there is none."""

    assignment: Assignment | None
    paused: list[str] = Field(
        default_factory=list[str], description="Why you are offered nothing just now, where something is paused"
    )


class HeartbeatAnswer(BaseModel):
    """How long the claim holds now, and a new token when the old one is past half its life."""

    lease_until: datetime | None
    token: str | None = None
    stop: str | None = Field(
        default=None, description="Why to stop now: push what you have, then release_assignment with parked"
    )
    messages: list[Message] = Field(
        default_factory=list[Message], description="For your run's model, until you say that it has read them"
    )


class CheckAnswer(BaseModel):
    """Whether a claim holds, and if not, why, in the words of an error."""

    valid: bool
    reason: str | None = None


class Progress(BaseModel):
    """The issue's state after what was reported."""

    state: Status
    recorded: bool = True


class Explanation(BaseModel):
    """Where an issue stands and what it waits for, in sentences."""

    issue: str
    state: Status
    waits_for: list[str]
    text: str


def assignment(issue: Issue, heartbeat_seconds: float) -> Assignment:
    """The work that the holder of `issue` has."""
    holder, pull = issue.holder, issue.pull_request
    if holder is None:
        raise AssertionError("a claim leaves a holder")
    ref = pull and PullRequestRef(number=pull.number, url=pull.url, head_sha=pull.head, conflicting=pull.conflicting)
    return Assignment(
        claim=Claim(issue=issue.key, fence=holder.fence),
        kind=holder.kind,
        repository=issue.repository,
        repository_id=issue.repository_id,
        issue_number=issue.number,
        title=issue.title,
        body=issue.body,
        url=issue.url,
        labels=issue.labels,
        priority=issue.priority,
        attempt=issue.attempt,
        branch=pull.branch if pull else issue.branch,
        base=issue.base,
        pull_request=ref,
        reason=issue.rework,
        feedback=feedback_of(issue),
        run=holder.run,
        heartbeat_seconds=heartbeat_seconds,
    )


def chore(held: Held, heartbeat_seconds: float) -> Assignment:
    """The chore that somebody has; what it is about stands in the body."""
    number = int(held.issue.partition("#")[2] or 0)
    return Assignment(
        claim=Claim(issue=held.handle, fence=held.fence),
        kind=held.kind,
        repository=held.repository,
        repository_id=0,
        issue_number=number,
        title=held.title,
        body=held.body,
        url="",
        labels=[],
        priority=held.priority,
        attempt=held.attempt,
        branch="",
        base="",
        pull_request=None,
        reason=None,
        feedback=held.evidence or None,
        run=held.run,
        heartbeat_seconds=heartbeat_seconds,
        about=held.issue,
        data={name: value for name, value in held.data.items() if name != "otherwise"},
    )
