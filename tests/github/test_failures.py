"""What GitHub's failures mean in the rig's errors."""

from __future__ import annotations

import time
from typing import Any

import pytest
from github import BadAttributeException, GithubException
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ReadTimeout

from servers.github.failures import meaning, words
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


def _failed(status: int, message: str = "Words", headers: dict[str, str] | None = None) -> GithubException:
    return GithubException(status, {"message": message}, headers)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (410, NotFound),
        (405, Conflict),
        (409, Conflict),
        (406, TooLarge),
        (422, InvalidInput),
        (429, RateLimited),
        (500, Unavailable),
        (502, Unavailable),
        (504, Unavailable),
    ],
)
def test_every_status_has_its_error(status: int, expected: type[RigError]) -> None:
    error = meaning(_failed(status))
    assert type(error) is expected
    assert "Words" in str(error) or status >= 500


def test_a_rate_limit_says_when_it_ends() -> None:
    after = meaning(_failed(403, headers={"Retry-After": "30"}))
    assert isinstance(after, RateLimited)
    assert after.retry_after == 30
    reset = str(int(time.time()) + 120)
    until = meaning(_failed(403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}))
    assert isinstance(until, RateLimited)
    assert until.retry_after is not None
    assert 110 < until.retry_after <= 120
    unknown = meaning(_failed(403, "You have exceeded a secondary rate limit."))
    assert isinstance(unknown, RateLimited)
    assert unknown.retry_after == 60


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("NOT_FOUND", NotFound),
        ("FORBIDDEN", Forbidden),
        ("RATE_LIMITED", RateLimited),
        ("UNPROCESSABLE", InvalidInput),
        (None, InvalidInput),
    ],
)
def test_graphql_errors_mean_the_same(kind: str | None, expected: type[RigError]) -> None:
    error = GithubException(400, {"errors": [{"type": kind, "message": "Words"}]}, {})
    assert type(meaning(error)) is expected
    assert "Words" in str(meaning(error))


def test_what_is_no_answer_of_github_is_unavailable() -> None:
    assert isinstance(meaning(ReadTimeout()), TimedOut)
    assert isinstance(meaning(RequestsConnectionError("https://user:secret@host")), Unavailable)
    assert "secret" not in str(meaning(RequestsConnectionError("https://user:secret@host")))
    assert isinstance(meaning(BadAttributeException(1, (str, str), None)), Unavailable)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"message": "Validation Failed", "errors": ["a", "b"]}, "Validation Failed; a; b"),
        (
            {"message": "Validation Failed", "errors": [{"resource": "Label", "field": "name", "code": "missing"}]},
            "Validation Failed; Label name missing",
        ),
        ({"message": "No\n  lines"}, "No lines"),
        ({"message": "x" * 2_000}, "x" * 500),
        ("<html>", "status 422"),
        (None, "status 422"),
        ({"errors": "odd"}, "status 422"),
    ],
)
def test_githubs_words_are_one_short_line(data: Any, said: str) -> None:
    assert words(GithubException(422, data)) == said
