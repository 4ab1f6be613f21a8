"""Why a run ends may stand on an issue, whoever said it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agents.errors import REASON, BudgetExceeded, NoModel, Stuck, UsageLimited
from servers.kit.money import Money

SAID = f"401:\n invalid key sk-ant-api03-{'a' * 40}, sk-proj-{'b' * 40} or sk-{'c' * 48}\n" + "x" * 5000
NONE = Money.of(0)


@pytest.mark.parametrize(
    "error",
    [
        NoModel(SAID),
        UsageLimited("anthropic", datetime.now(UTC), SAID),
        Stuck("x", SAID, SAID),
        BudgetExceeded("run", SAID, NONE, NONE, SAID),
    ],
)
def test_it_is_a_bounded_line_without_credentials(error: Exception) -> None:
    said = str(error)
    assert len(said) < REASON + 100
    assert "\n" not in said
    assert "invalid key [redacted], [redacted] or [redacted] x" in said
    assert "aaa" not in str(getattr(error, "evidence", ""))
