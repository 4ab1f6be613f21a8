"""The script of a person at Claude Code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import UnexpectedInput
from rig.doubles.anthropic.scripts_people import play

TOOLS = [f"mcp__rig__{name}" for name in ("list_issues", "claim_assignment", "report_event", "release_assignment")]
CLAIM = {"issue": "ada/tally#12", "fence": 3}
ANSWERS = {
    "list_issues": {"issues": [{"issue": "ada/tally#12", "state": "queued"}]},
    "claim_assignment": {"assignment": {"claim": CLAIM, "kind": "implement"}},
    "report_event": {"recorded": True, "state": "in_progress"},
    "release_assignment": {"released": True},
}


def talk(answers: dict[str, Any]) -> tuple[list[str], str]:
    """The tools that were called, and the last words."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "List the issues, claim one, report, release."}]
    called: list[str] = []
    while True:
        tools = [{"name": name} for name in TOOLS]
        body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": messages, "tools": tools}
        turn = play(MessagesRequest.model_validate(body))
        if not turn.tool_uses:
            return called, turn.text
        one = turn.tool_uses[0]
        name = one.name.removeprefix("mcp__rig__")
        called.append(name)
        use = {"type": "tool_use", "id": f"toolu_{name}", "name": one.name, "input": one.input}
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": json.dumps(answers[name])}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]


def test_it_lists_claims_reports_and_releases() -> None:
    called, said = talk(ANSWERS)
    assert called == list(ANSWERS)
    assert said.startswith("Done: ada/tally#12")


@pytest.mark.parametrize(
    ("tool", "answer", "expected"),
    [
        ("list_issues", {"issues": []}, "an issue like owner/repo#12"),
        ("claim_assignment", {"assignment": None}, "an assignment with its claim"),
        ("report_event", {}, "whether it was recorded"),
    ],
)
def test_an_answer_without_what_it_needs_is_refused(tool: str, answer: Any, expected: str) -> None:
    with pytest.raises(UnexpectedInput, match=expected):
        talk({**ANSWERS, tool: answer})


def test_a_question_without_tools_gets_a_few_words() -> None:
    body = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "A title?"}]}
    assert "title" in play(MessagesRequest.model_validate(body)).text
