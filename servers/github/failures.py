"""What a failed request to GitHub means in the rig's errors."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, cast

from github import BadAttributeException, GithubException
from requests.exceptions import RequestException, Timeout

from servers.kit.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    RigError,
    TimedOut,
    TooLarge,
    Unavailable,
)

FAILURES = (GithubException, BadAttributeException, RequestException, json.JSONDecodeError)
_WORDS_LIMIT = 500
_UNKNOWN_WAIT = 60.0
_GRAPHQL_STATUS = {"NOT_FOUND": 404, "FORBIDDEN": 403, "RATE_LIMITED": 429, "UNPROCESSABLE": 422}


def meaning(error: Exception) -> RigError:
    """The rig's error for one of `FAILURES`."""
    if isinstance(error, GithubException):
        return _refusal(error)
    if isinstance(error, Timeout):
        return TimedOut("GitHub did not answer in time. Try again later.")
    if isinstance(error, RequestException):
        return Unavailable(f"GitHub cannot be reached ({type(error).__name__}). Try again later.")
    return Unavailable("GitHub answered something that cannot be read. Try again later.")


def status_of(error: GithubException) -> int:
    """The HTTP status, or what a GraphQL error would have been in REST."""
    if error.status == 400 and (errors := _list(_data(error).get("errors"))):
        return _GRAPHQL_STATUS.get(str(_dict(errors[0]).get("type")), 422)
    return error.status


def words(error: GithubException) -> str:
    """GitHub's own explanation on one line."""
    data = _data(error)
    details = [_detail(item) for item in _list(data.get("errors"))]
    said = [str(data.get("message") or ""), *details]
    text = "; ".join(dict.fromkeys(part.strip() for part in said if part.strip()))
    return " ".join(text.split())[:_WORDS_LIMIT] or f"status {error.status}"


def _refusal(error: GithubException) -> RigError:
    status, said = status_of(error), words(error)
    if _rate_limited(status, error, said):
        wait = _wait(_headers(error))
        return RateLimited(f"GitHub limits the rate: {said} Try again in {wait:.0f} s.", wait)
    match status:
        case 401:
            return Forbidden(f"GitHub does not accept the rig's credential: {said}. A person must renew it.")
        case 403 | 451:
            return Forbidden(f"GitHub refuses this to the rig's identity: {said}.")
        case 404 | 410:
            return NotFound(f"GitHub finds no such thing, or does not show it to the rig: {said}.")
        case 405 | 409:
            return Conflict(f"GitHub refuses: {said}. Read the current state, then decide.")
        case 406 | 413:
            return TooLarge(f"GitHub refuses: {said}.")
        case 422 if said.startswith("No commit found"):
            return NotFound(f"GitHub finds no such thing: {said}.")
        case 400 | 422:
            return InvalidInput(f"GitHub does not accept this: {said}.")
        case _:
            return Unavailable(f"GitHub failed with status {status}. Try again later.")


def _rate_limited(status: int, error: GithubException, said: str) -> bool:
    headers = _headers(error)
    exhausted = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    return status == 429 or (status == 403 and (exhausted or "rate limit" in said.lower()))


def _wait(headers: Mapping[str, str]) -> float:
    if (after := headers.get("retry-after", "")).isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    exhausted = headers.get("x-ratelimit-remaining") == "0"
    return max(1.0, float(reset) - time.time()) if exhausted and reset.isdigit() else _UNKNOWN_WAIT


def _headers(error: GithubException) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in (error.headers or {}).items()}


def _data(error: GithubException) -> dict[str, Any]:
    return _dict(error.data)


def _dict(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _detail(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    fields = _dict(item)
    if fields.get("message"):
        return str(fields["message"])
    return " ".join(str(fields[name]) for name in ("resource", "field", "code") if fields.get(name))
