"""When a limit ends, as each provider says it."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.providers.limits import (
    LONGEST,
    UNKNOWN,
    epoch,
    reset_in_headers,
    reset_in_text,
    reset_of,
    speaks_of_limit,
)

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        (f"Claude AI usage limit reached|{int(NOW.timestamp()) + 3600}", at("2026-11-20T18:00")),
        ("You've hit your session limit · resets 6:12pm (UTC)", at("2026-11-20T18:12")),
        ("You've hit your limit · resets 1:30am (Asia/Dhaka)", at("2026-11-20T19:30")),
        ("5-hour limit reached ∙ resets 2am", at("2026-11-21T02:00")),
        ("You've hit your weekly limit · resets Nov 24, 3pm (America/New_York)", at("2026-11-24T20:00")),
        ("You're out of extra usage · resets 5pm (America/Los_Angeles)", at("2026-11-21T01:00")),
        ("You've hit your usage limit. Upgrade to Pro or try again in 5 days 22 hours 11 minutes.",
         at("2026-11-26T15:11")),
        ("You've hit your usage limit. Try again in 1 hour and 30 minutes.", at("2026-11-20T18:30")),
        ("You've hit your usage limit or try again at Nov 27, 2026, 7:38 AM.", at("2026-11-27T07:38")),
        ("You've hit your usage limit. Try again at Nov 27th, 2026 7:38 AM.", at("2026-11-27T07:38")),
        ("You've hit your usage limit. Try again at 3:14 PM.", at("2026-11-21T15:14")),
        ("Rate limit reached. Please try again in 20s.", at("2026-11-20T17:00:20")),
        ("Please try again in 1m30.5s.", at("2026-11-20T17:01:30.500000")),
        ('{"error":{"type":"usage_limit_reached","resets_in_seconds":13872}}', at("2026-11-20T20:51:12")),
        (f'{{"error":{{"type":"usage_limit_reached","resets_at":{int(NOW.timestamp()) + 60}}}}}',
         at("2026-11-20T17:01")),
        ("You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
         at("2026-12-01T00:00")),
        ("You've hit your limit · resets Jan 2, 9am (UTC)", None),  # further than a month's plan
        ("You've hit your limit · resets 25:99pm (Mars/Olympus)", None),
        ("Usage limit reached|99999999999999", None),
        ("Overloaded", None),
    ],
)  # fmt: skip
def test_a_sentence_says_when_the_limit_ends(text: str, until: datetime | None) -> None:
    assert reset_in_text(text, NOW) == until


def test_a_day_of_january_is_next_years() -> None:
    now = datetime(2026, 12, 30, tzinfo=UTC)
    assert reset_in_text("Your limit resets Jan 2, 9am (UTC)", now) == at("2027-01-02T09:00")


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"retry-after": "3600"}, at("2026-11-20T18:00")),
        ({"retry-after": "Fri, 20 Nov 2026 19:30:00 GMT"}, at("2026-11-20T19:30")),
        ({"retry-after": "soon"}, None),
        ({}, None),
        (
            {
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2026-11-20T23:00:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-20T17:05:00Z",
            },
            at("2026-11-20T17:05"),
        ),
        (
            {
                "retry-after": "10",
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": str(int(NOW.timestamp()) + 7200),
            },
            at("2026-11-20T19:00"),
        ),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "never"}, None),
    ],
)
def test_headers_say_when_the_limit_ends(headers: dict[str, str], until: datetime | None) -> None:
    assert reset_in_headers(headers, NOW) == until


def test_a_limit_without_an_end_is_looked_at_again_after_a_while() -> None:
    assert reset_of("usage limit reached", NOW) == NOW + UNKNOWN


def test_only_a_number_of_seconds_is_a_point_in_time() -> None:
    assert epoch(int(NOW.timestamp()) + 5, NOW) == NOW + timedelta(seconds=5)
    for nothing in (None, "", "soon", -1, 12, True, {"a": 1}):
        assert epoch(nothing, NOW) is None


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("You've hit your limit · resets 2am", True),
        ("Claude AI usage limit reached|1", True),
        ("You exceeded your current quota, please check your plan.", True),
        ("API Error: Request rejected (429)", False),
        ("Overloaded", False),
    ],
)
def test_a_plans_limit_is_told_from_a_busy_moment(text: str, limit: bool) -> None:
    assert speaks_of_limit(text) is limit


@given(st.text() | st.from_regex(r"(resets|try again (at|in)) [\w :,.()/-]{0,40}"))
def test_whatever_is_said_the_end_is_none_or_within_reason(text: str) -> None:
    until = reset_in_text(text, NOW)
    assert until is None or NOW <= until <= NOW + LONGEST
