"""A document is held against newer memories: the same words, but a no or another number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from conductor.drift import Said, contradict, contradictions

THEN = datetime(2026, 5, 1, tzinfo=UTC)
NOW = THEN + timedelta(days=1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The daemon listens on port 7700.", "The daemon listens on port 8800 now."),
        ("Run the tests with pytest in parallel.", "Never run the tests with pytest in parallel."),
        ("The cache is safe to delete at any time.", "The cache isn't safe to delete while the daemon runs."),
        ("Python 3.11 is required to build the wheel.", "Python 3.13 is required to build the wheel."),
        ("The guard is enabled for reviewers on main.", "For reviewers on main the guard is disabled."),
    ],
)
def test_what_cannot_both_hold_is_a_contradiction(one: str, other: str) -> None:
    assert contradict(one, other)
    assert contradict(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The daemon listens on port 7700.", "The daemon listens on port 7700 and logs to stderr."),
        ("Run the tests with pytest.", "Run the tests with pytest in parallel."),
        ("Never delete the cache.", "The lock file is written by make."),
        ("Use Python 3.11.", "Release 4.2 came out."),
        ("Issue 12 moved the parser into a module of its own.", "The parser has a module of its own."),
        ("", "The daemon listens."),
    ],
)
def test_what_can_both_hold_is_none(one: str, other: str) -> None:
    assert not contradict(one, other)


def test_only_newer_memories_count_and_code_is_left_out() -> None:
    document = """# Serving

- The daemon listens on port 7700.
- It writes its log to stderr.

```
The daemon listens on port 9999.
```
"""
    newer = Said(id=1, text="We moved it. The daemon listens on port 8800.", written_at=NOW)
    [found] = contradictions("docs/serving.md", document, THEN, [newer])
    assert (found.sentence, found.memory, found.says) == (
        "The daemon listens on port 7700.", 1, "The daemon listens on port 8800.",
    )  # fmt: skip
    assert contradictions("docs/serving.md", document, NOW + timedelta(days=1), [newer]) == []
