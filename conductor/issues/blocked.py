"""Why a blocked issue waits, as an event and in sentences for people: pure."""

from __future__ import annotations

from typing import assert_never

import msgspec

from conductor.events import IssueBlocked
from conductor.issues.issue import READY_LABEL, Blocked


def event_of(blocked: Blocked) -> IssueBlocked:
    """The event that says it."""
    return IssueBlocked(**msgspec.structs.asdict(blocked))


def words(blocked: Blocked) -> list[str]:
    """One sentence for each thing that it waits for."""
    match blocked.why:
        case "cycle":
            return [f"It waits for itself: {' → '.join(blocked.by)}. Take one of these dependencies away."]
        case "questions":
            who = blocked.asked_by or "The rig"
            return [f"{who} asked its author: {question}" for question in blocked.questions]
        case "sub_issues":
            return [_part(key, blocked.missing) for key in blocked.by]
        case "dependencies":
            return [_before(key, blocked.missing) for key in blocked.by]
        case "pull_request":
            return [f"{_number(key)} by {blocked.author} already closes it." for key in blocked.by]
        case _:
            assert_never(blocked.why)


def _part(key: str, unlabelled: list[str]) -> str:
    if key in unlabelled:
        return f"It waits for its sub-issue {key}, which nobody starts: it has no label {READY_LABEL}."
    return f"It waits for its sub-issue {key}."


def _before(key: str, unknown: list[str]) -> str:
    if key in unknown:
        return f"It depends on {key}, which the rig cannot find. Correct the description."
    return f"It depends on {key}."


def _number(key: str) -> str:
    return f"#{key.rpartition('#')[2]}"
