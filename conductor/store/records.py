"""What the writer is handed and what it gives back: appends, claims, and rows of the projections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from conductor.events import Event, Kind, RigPaused, RigResumed
from conductor.issues.issue import Issue, in_work, offer
from conductor.issues.react import Effect, react
from servers.kit.errors import InvalidInput

encode = msgspec.json.Encoder(decimal_format="number").encode
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


class Append(msgspec.Struct, frozen=True):
    """Events for the end of one stream.

    Attributes:
        expected: The version the stream must have; None appends wherever it ends, which no issue's append may.
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


class Appended(msgspec.Struct, frozen=True):
    """Where an append ended: the stream's version and the log's position."""

    version: int
    position: int


class Rows(msgspec.Struct, frozen=True):
    """What an append writes, encoded before anybody waits for it.

    Attributes:
        events: Type, data, actor, correlation, causation and time of each.
        issue: The projection's row.
        offer: The row of the work that waits now; empty where none does any more, None where nothing changes.
        work: The issue's repository, and whether it counts against its limit from now on; None where nothing changes.
        beside: Whether there is more to write than events.
        claim: The row of the new holder's claim; empty where the claim only ends, None where nobody's changes.
    """

    events: list[tuple[Any, ...]]
    issue: tuple[Any, ...] | None = None
    offer: tuple[Any, ...] | None = None
    work: tuple[int, bool] | None = None
    claim: tuple[Any, ...] | None = None
    effects: Sequence[tuple[Any, ...]] = ()
    answer: tuple[Any, ...] | None = None
    pauses: Sequence[RigPaused | RigResumed] = ()
    beside: bool = True


@dataclass(frozen=True)
class ClaimRequest:
    """Somebody who wants work.

    Attributes:
        alone: Whether no other character could do what this one does.
        stream: The only issue that will do, if any.
        providers: By which it can reach a model; while all of them are at their limit it gets nothing.
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
    providers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claimed:
    """The issue as the claim leaves it."""

    issue: Issue


def rows_of(append: Append) -> Rows:
    """Everything that `append` writes.

    Raises:
        InvalidInput: Its text is none, so the database cannot hold it.
    """
    try:
        events = [(event.type, encode(event).decode(), *_shared(append)) for event in append.events]
        answer = _answer(append.answer) if append.answer else None
        pauses = [event for event in append.events if isinstance(event, RigPaused | RigResumed)]
        if append.after is None or append.expected is None:
            return Rows(events, answer=answer, pauses=pauses, beside=answer is not None or bool(pauses))
        row = issue_row(append.after, append.expected + len(append.events))
        issue = *row.values(), encode(append.after).decode()
        effects = _effects(append, append.after, append.expected)
        return Rows(events, issue, *_work(append.before, append.after), _claim(append), effects, answer, pauses)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"The event holds half a character ({error}).") from error


def _shared(append: Append) -> tuple[Any, ...]:
    return append.actor, append.correlation, append.causation, append.occurred_at


def issue_row(issue: Issue, version: int) -> dict[str, Any]:
    """The projection of `issue`, without its state."""
    pull = issue.pull_request
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
        "fence": issue.fence,
        "attempt": issue.attempt,
    }


def offer_row(issue: Issue) -> dict[str, Any] | None:
    """The work that waits in `issue`, if any."""
    work = offer(issue)
    if work is None:
        return None
    return {
        "stream": issue.stream,
        "repository_id": issue.repository_id,
        "repository": issue.repository,
        "number": issue.number,
        "priority": PRIORITY_RANK[issue.priority],
        "fence": issue.fence,
        "attempt": issue.attempt,
        "kind": work.kind,
        "role": work.role,
        "stack": work.stack,
        "excluded": work.excluded,
        "preferred": work.preferred,
        "avoided": work.avoided,
        "only_for": work.only,
    }


def _answer(answer: Answer) -> tuple[Any, ...]:
    return answer.caller, answer.tool, answer.request_id, answer.arguments, encode(answer.answer).decode()


def _work(before: Issue | None, after: Issue) -> tuple[tuple[Any, ...] | None, tuple[int, bool] | None]:
    """What changes of the work that waits, and of whether the issue is in work; all of it, if `before` is unknown."""
    row, busy = offer_row(after), in_work(after)
    offer = None if before and row == offer_row(before) else tuple(row.values()) if row else ()
    return offer, None if before and busy == in_work(before) else (after.repository_id, busy)


def _claim(append: Append) -> tuple[Any, ...] | None:
    if append.after is None or append.before is None or append.before.holder == append.after.holder:
        return None
    holder = append.after.holder
    return (append.stream, *msgspec.structs.astuple(holder)) if holder else ()


def _effects(append: Append, after: Issue, version: int) -> list[tuple[Any, ...]]:
    """The effects of the append's events, each once, keyed by the event that causes it first."""
    rows: list[tuple[Any, ...]] = []
    done: list[Effect] = []
    for n, event in enumerate(append.events, start=1):
        for i, effect in enumerate(react(event, after)):
            if effect not in done:
                done.append(effect)
                rows.append(_effect_row(append.stream, version + n, i, effect))
    return rows


def _effect_row(stream: str, version: int, index: int, effect: Effect) -> tuple[Any, ...]:
    key = f"{stream}:{version}:{index}:{effect.kind}"
    return key, stream, effect.lane, effect.kind, encode(effect.data).decode(), float(effect.delay)
