"""What the writer is handed and what it gives back: appends, claims, and rows of the projections."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from conductor.events import Event, Kind
from conductor.issue import Issue, offer
from conductor.react import Effect, react

PRIORITY_RANK = {"critical": 0, "high": 1, "normal": 2}


@dataclass(frozen=True)
class Recorded:
    """An event as it stands in the log."""

    position: int
    stream: str
    version: int
    type: str
    data: dict[str, Any]
    actor: str
    correlation: str | None
    causation: str | None
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Answer:
    """What a caller is told, kept so that the same request gets it again."""

    caller: str
    tool: str
    request_id: str
    arguments: str
    answer: Any


@dataclass(frozen=True)
class Append:
    """Events for the end of one stream.

    Attributes:
        expected: The version the stream must have; None appends wherever it ends.
        before, after: The issue as it was and as the events leave it, where the stream is an issue's.
    """

    stream: str
    expected: int | None
    events: list[Event]
    actor: str
    occurred_at: datetime
    before: Issue | None = None
    after: Issue | None = None
    correlation: str | None = None
    causation: str | None = None
    answer: Answer | None = None


@dataclass(frozen=True)
class Appended:
    """Where an append ended: the stream's version and the log's position."""

    version: int
    position: int


@dataclass(frozen=True)
class ClaimRequest:
    """Somebody who wants work.

    Attributes:
        alone: Whether no other character could do what this one does.
        stream: The only issue that will do, if any.
    """

    agent: str
    role: str
    instance: str
    boot: str
    run: str
    stacks: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ("implement", "review", "rework")
    alone: bool = True
    stream: str | None = None


@dataclass(frozen=True)
class Claimed:
    """The issue as the claim leaves it."""

    issue: Issue
    appended: Appended | None = field(default=None, compare=False)


def event_rows(append: Append, version: int) -> list[dict[str, Any]]:
    """The append's events as rows that follow `version`."""
    shared = {
        "stream": append.stream,
        "actor": append.actor,
        "correlation": append.correlation,
        "causation": append.causation,
        "occurred_at": append.occurred_at,
    }
    return [
        shared | {"version": version + n, "type": event.type, "data": event}
        for n, event in enumerate(append.events, start=1)
    ]


def issue_row(issue: Issue, version: int) -> dict[str, Any]:
    """The projection of `issue`."""
    pull, work = issue.pull_request, offer(issue)
    return {
        "stream": issue.stream,
        "version": version,
        "repository_id": issue.repository_id,
        "repository": issue.repository,
        "number": issue.number,
        "title": issue.title,
        "status": issue.status,
        "priority": PRIORITY_RANK[issue.priority],
        "base": issue.base,
        "pull_number": pull.number if pull else None,
        "pull_head": pull.head if pull else None,
        "holder": issue.holder.agent if issue.holder else None,
        "offer_kind": work.kind if work else None,
        "offer_role": work.role if work else None,
        "offer_stack": work.stack if work else "",
        "offer_excluded": work.excluded if work else [],
        "offer_preferred": work.preferred if work else None,
        "offer_avoided": work.avoided if work else [],
        "offer_only": work.only if work else None,
        "fence": issue.fence,
        "attempt": issue.attempt,
        "data": issue,
    }


def claim_row(append: Append, lease_seconds: float) -> dict[str, Any] | None:
    """The change of the claim that the append makes: a new holder, none any more, or no change."""
    if append.after is None or append.before is None or append.before.holder == append.after.holder:
        return None
    holder = append.after.holder
    if holder is None:
        return {"stream": append.stream, "agent": None}
    return {"stream": append.stream, "lease_seconds": lease_seconds, **msgspec.to_builtins(holder)}


def effect_rows(append: Append, version: int) -> list[dict[str, Any]]:
    """The effects of the append's events, keyed by the event that causes them."""
    if append.after is None:
        return []
    return [
        _effect_row(append.stream, version + n, i, effect)
        for n, event in enumerate(append.events, start=1)
        for i, effect in enumerate(react(event, append.after))
    ]


def _effect_row(stream: str, version: int, index: int, effect: Effect) -> dict[str, Any]:
    return {
        "key": f"{stream}:{version}:{index}:{effect.kind}",
        "stream": stream,
        "lane": effect.lane,
        "kind": effect.kind,
        "data": effect.data,
        "delay": effect.delay,
    }
