"""When a prompt is due: time zones, daylight saving time, and mistakes that are named with their line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from servers.kit.character import parse
from servers.kit.errors import InvalidInput
from servers.kit.schedule import CronPrompt

MONDAY = CronPrompt(schedule="0 7 * * 1", prompt="Look around.", timezone="Europe/Oslo")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        ("2026-01-05T05:59:59", "2025-12-29T06:00:00", "2026-01-05T06:00:00"),
        ("2026-01-05T06:00:00", "2026-01-05T06:00:00", "2026-01-12T06:00:00"),
        ("2026-07-06T05:00:00", "2026-07-06T05:00:00", "2026-07-13T05:00:00"),
        ("2026-03-29T12:00:00", "2026-03-23T06:00:00", "2026-03-30T05:00:00"),
    ],
)
def test_a_schedule_follows_its_time_zone(now: str, last: str, following: str) -> None:
    assert MONDAY.last_due(at(now)) == at(last)
    assert MONDAY.next_due(at(now)) == at(following)


def test_an_hour_that_comes_twice_is_due_once() -> None:
    nightly = CronPrompt(schedule="30 2 * * *", prompt="x", timezone="Europe/Oslo")
    first = nightly.next_due(at("2026-10-24T12:00:00"))
    assert first == at("2026-10-25T00:30:00")
    assert first is not None
    assert nightly.next_due(first) == at("2026-10-26T01:30:00")
    assert nightly.last_due(at("2026-10-25T12:00:00")) == first


def test_a_prompt_that_is_changed_is_another_one() -> None:
    assert MONDAY.name == MONDAY.model_copy().name
    assert MONDAY.name != MONDAY.model_copy(update={"prompt": "Look again."}).name


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"schedule": "61 * * * *"}, "bad minute in '61 * * * *'"),
        ({"schedule": "0 0 31 2 *"}, "bad day-of-month in '0 0 31 2 *'"),
        ({"schedule": "* * * * * *"}, "a schedule has five fields"),
        ({"schedule": "@daily"}, "a schedule has five fields"),
        ({"schedule": "0 7 * * 1", "timezone": "Europe/Nowhere"}, "'Europe/Nowhere' is no time zone"),
        ({"schedule": "0 7 * * 1", "timezone": "../etc/passwd"}, "'../etc/passwd' is no time zone"),
        ({"schedule": "0 7 * * 1", "zone": "UTC"}, "unknown key"),
        ({"schedule": "0 7 * * 1", "repository": "tally"}, "String should match pattern"),
    ],
)
def test_a_mistake_is_named_with_its_line(entry: dict[str, Any], said: str) -> None:
    lines = [
        "name: dev-e",
        "role: dev",
        "personality: You are Dev-E.",
        "git: {name: Dev-E, email: dev-e@example.org}",
        "cron:",
        "  - prompt: Look around.",
        *(f'    {key}: "{value}"' for key, value in entry.items()),
    ]
    with pytest.raises(InvalidInput) as caught:
        parse("\n".join(lines), "dev-e.yaml")
    wrong = list(entry)[-1]
    assert str(caught.value).startswith(f"dev-e.yaml:{6 + len(entry)}: cron.0.{wrong}: ")
    assert said in str(caught.value)


def test_a_character_with_a_schedule_takes_what_is_asked_of_it() -> None:
    text = (
        "name: dev-e\nrole: dev\npersonality: x\ngit: {name: D, email: d@example.org}\n"
        'cron: [{schedule: "0 7 * * 1", prompt: Look around.}]\n'
    )
    assert parse(text, "dev-e.yaml").work == ("implement", "rework", "chore")
