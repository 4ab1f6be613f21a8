from __future__ import annotations

import pytest
from pydantic import ValidationError

from agents.results import DevResult, GiveUp, ReviewResult, harmless, problems, spec


@pytest.mark.parametrize("title", ["fix: it", "feat(api)!: say more", "docs(a/b): c"])
def test_titles_are_conventional_commits(title: str) -> None:
    assert DevResult(title=f" {title} ", summary="s").title == title


@pytest.mark.parametrize("title", ["Fix it", "fix it", "fix:", "fix: " + "x" * 100, "fix: a\nRig-Run: b", "hack: it"])
def test_other_titles_are_refused_with_the_reason(title: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DevResult(title=title, summary="s")
    assert problems(refused.value).startswith("title: String should")


def test_a_review_needs_a_verdict_it_knows_and_lines_that_exist() -> None:
    with pytest.raises(ValidationError) as refused:
        ReviewResult.model_validate(
            {"verdict": "LGTM", "summary": "", "comments": [{"path": "a", "line": 0, "body": "b"}], "x": 1}
        )
    said = problems(refused.value)
    assert [line.partition(":")[0] for line in said.splitlines()] == ["verdict", "summary", "comments.0.line", "x"]
    assert "LGTM" not in said


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Fixes #99", "Fixes issue #99"),
        ("closes owner/repo#3 now", "closes issue owner/repo#3 now"),
        ("Resolved: https://github.com/o/r/issues/12", "Resolved: issue https://github.com/o/r/issues/12"),
        ("fix: the #3 thing, see #4", "fix: the #3 thing, see #4"),
        ("prefixes #5", "prefixes #5"),
    ],
)
def test_words_that_would_close_an_issue_lose_their_power(said: str, kept: str) -> None:
    assert harmless(said) == kept


def test_a_local_tool_says_what_it_takes() -> None:
    tool = spec("give_up", GiveUp)
    assert tool.description.startswith("Say that you cannot")
    assert tool.input_schema["required"] == ["reason"]
    assert tool.input_schema["additionalProperties"] is False
