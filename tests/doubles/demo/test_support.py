"""A question to the demo's conductor-e."""

from __future__ import annotations

from agents.findings import Answer
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.demo import script

OPENING = 'Assignment: answer\nMessages: x\n\n<untrusted-1 source="question">\nWhy?\n</untrusted-1>'


def test_a_question_gets_an_answer_of_the_form_that_the_agent_takes() -> None:
    body = {
        "model": "claude-opus-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": OPENING}],
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in ("finish", "give_up")],
    }
    (handed_in,) = script.play(MessagesRequest.model_validate(body)).tool_uses
    assert handed_in.name == "finish"
    assert "script" in Answer.model_validate(handed_in.input).answer
