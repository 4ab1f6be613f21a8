"""What the API refuses, in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from rig.doubles.anthropic.errors import InvalidRequest, NotFound
from rig.doubles.anthropic.request import Prompt
from rig.doubles.anthropic.rules import check

USER = {"role": "user", "content": "Hello"}
USE: dict[str, Any] = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}],
}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
MARK = {"type": "ephemeral"}


def prompt(*messages: Any, **more: Any) -> Prompt:
    return Prompt.model_validate({"model": "claude-opus-5-5", "messages": [*messages], **more})


@pytest.mark.parametrize(
    "accepted",
    [
        prompt(USER),
        prompt(USER, USER),
        prompt(USER, USE, {"role": "user", "content": [RESULT, {"type": "text", "text": "and now?"}]}),
        prompt(USER, USE, {"role": "user", "content": [RESULT]}, USER),
        prompt(USER, {"role": "system", "content": "Be brief."}, USER),
        prompt(USER, model="claude-opus-5-5-20260901"),
        prompt(USER, model="claude-opus-5-5[1m]"),
        prompt(USER, context_management={"edits": []}, system=[{"type": "text", "text": "x", "cache_control": MARK}]),
    ],
)
def test_what_the_api_takes_is_taken(accepted: Prompt) -> None:
    check(accepted)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (prompt(USE, USER), "first message must use"),
        (prompt(USER, {"role": "assistant", "content": "So"}), "does not support assistant message prefill"),
        (
            prompt(USER, USE, USER),
            "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
        ),
        (
            prompt(USER, USE, {"role": "user", "content": [{"type": "text", "text": "first"}, RESULT]}),
            "without `tool_result` blocks immediately after",
        ),
        (
            prompt({"role": "user", "content": [RESULT]}),
            "unexpected `tool_use_id` found in `tool_result` blocks: toolu_1",
        ),
        (prompt({"role": "user", "content": ""}), "user messages must have non-empty content"),
        (
            prompt({"role": "user", "content": [{"type": "text", "text": ""}]}),
            "text content blocks must be non-empty",
        ),
        (prompt(USER, tools=[{"name": "look"}, {"name": "look"}]), "Tool names must be unique"),
        (
            prompt(USER, system=[{"type": "text", "text": "x", "cache_control": MARK}] * 5),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
    ],
)
def test_what_the_api_refuses_is_refused(refused: Prompt, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(refused)
    assert words in caught.value.message


def test_a_model_that_only_begins_like_a_known_one_is_unknown() -> None:
    with pytest.raises(NotFound):
        check(prompt(USER, model="claude-opus-5-55"))
