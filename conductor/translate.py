"""What a webhook points at: pure, tolerant of unknown fields, indifferent to order and repetition.

A delivery only says where to look; the facts come from a fresh read of GitHub, so late, early, repeated and
lost deliveries all end in the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from conductor.comments import STATUS_CONTEXT
from servers.kit.errors import InvalidInput


@dataclass(frozen=True)
class IssueSeen:
    repository: str
    number: int


@dataclass(frozen=True)
class PullSeen:
    repository: str
    number: int


@dataclass(frozen=True)
class HeadSeen:
    """Something happened at a commit, perhaps the head of one of our pull requests."""

    repository: str
    sha: str


@dataclass(frozen=True)
class BaseSeen:
    """A base branch moved: pull requests against it may conflict now."""

    repository: str
    branch: str


Sighting = IssueSeen | PullSeen | HeadSeen | BaseSeen
Payload = dict[str, Any]


def translate(event: str, payload: Payload) -> list[Sighting]:
    """Where to look because of a delivery; nothing for events that do not concern the rig.

    Args:
        event: The `X-GitHub-Event` header.
        payload: The parsed body.

    Raises:
        InvalidInput: A field that GitHub always sends is missing or of another type.
    """
    translator = TRANSLATORS.get(event)
    return translator(payload) if translator else []


def _get(payload: Payload, *path: str, kind: type[Any]) -> Any:
    value: Any = payload
    for key in path:
        if not isinstance(value, dict) or key not in value:
            raise InvalidInput(f"The payload has no {'.'.join(path)}.")
        value = cast(Payload, value)[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidInput(f"{'.'.join(path)} is not of type {kind.__name__}.")
    if isinstance(value, str) and not value.isprintable():
        raise InvalidInput(f"{'.'.join(path)} holds characters that no name has.")
    return value


def _repository(payload: Payload) -> str:
    return str(_get(payload, "repository", "full_name", kind=str))


def _issue(payload: Payload) -> list[Sighting]:
    return [IssueSeen(_repository(payload), _get(payload, "issue", "number", kind=int))]


def _pull(payload: Payload) -> list[Sighting]:
    return [PullSeen(_repository(payload), _get(payload, "pull_request", "number", kind=int))]


def _check_run(payload: Payload) -> list[Sighting]:
    completed = payload.get("action") == "completed"
    return [HeadSeen(_repository(payload), _get(payload, "check_run", "head_sha", kind=str))] if completed else []


def _check_suite(payload: Payload) -> list[Sighting]:
    completed = payload.get("action") == "completed"
    return [HeadSeen(_repository(payload), _get(payload, "check_suite", "head_sha", kind=str))] if completed else []


def _status(payload: Payload) -> list[Sighting]:
    ours = payload.get("context") == STATUS_CONTEXT
    return [] if ours else [HeadSeen(_repository(payload), _get(payload, "sha", kind=str))]


def _push(payload: Payload) -> list[Sighting]:
    branch = str(_get(payload, "ref", kind=str)).removeprefix("refs/heads/")
    return [BaseSeen(_repository(payload), branch)]


TRANSLATORS: dict[str, Callable[[Payload], list[Sighting]]] = {
    "issues": _issue,
    "pull_request": _pull,
    "pull_request_review": _pull,
    "pull_request_review_comment": _pull,
    "pull_request_review_thread": _pull,
    "check_run": _check_run,
    "check_suite": _check_suite,
    "status": _status,
    "push": _push,
}
