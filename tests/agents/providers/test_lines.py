"""What programs write is read with distrust: only whole lines of the expected shape mean anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.providers import Usage
from agents.providers import claude_lines as claude
from agents.providers import codex_lines as codex
from agents.providers.claude_lines import ClaudeLines
from agents.providers.codex_lines import Rollout

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(
        ["type", "event", "message", "usage", "index", "delta", "content_block", "payload", "role", "content",
         "error", "rate_limit_info", "status", "arguments", "name", "input_tokens", "errors", "result",
         "total_cost_usd"]
    ) | st.text(), inner | st.sampled_from(
        ["stream_event", "message_start", "message_delta", "content_block_start", "result", "rate_limit_event",
         "rejected", "response_item", "token_usage_record", "function_call", "message", "assistant", "turn.failed"]
    )),
)  # fmt: skip
BAD = [b"", b"null", b"[]", b"{", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"type": ["result"]}', b"\x1b[2J"]


def event(**fields: Any) -> bytes:
    return json.dumps({"type": "stream_event", "event": fields, "parent_tool_use_id": None}).encode()


@pytest.mark.parametrize("line", BAD)
def test_nonsense_means_nothing(line: bytes) -> None:
    assert ClaudeLines().read(line) is None
    assert codex.read(line) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(Json.map(json.dumps)))
def test_no_line_breaks_the_reading(lines: list[str]) -> None:
    reader = ClaudeLines()
    for line in lines:
        reader.read(line.encode())
        codex.read(line.encode())


def test_an_answer_that_is_cut_off_is_paid_for() -> None:
    reader = ClaudeLines()
    usage = {"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": None}
    assert reader.read(event(type="message_start", message={"model": "m", "usage": usage})) == claude.Asking()
    reader.read(event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Let me"}))
    assert reader.rest() == claude.Said("Let me", (), Usage(7, 1), "m")
    assert reader.rest() is None


def test_words_of_another_agents_stream_are_not_the_models() -> None:
    line = json.dumps({"type": "stream_event", "event": {"type": "message_start"}, "parent_tool_use_id": "toolu_1"})
    assert ClaudeLines().read(line.encode()) is None


def test_a_limit_is_one_only_when_it_rejects() -> None:
    def line(status: str) -> bytes:
        return json.dumps({"type": "rate_limit_event", "rate_limit_info": {"status": status, "resetsAt": 5}}).encode()

    assert ClaudeLines().read(line("allowed_warning")) is None
    assert ClaudeLines().read(line("rejected")) == claude.Limited(5)


def test_a_rollout_is_read_as_it_grows_and_half_a_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    rollout = Rollout(path)
    assert rollout.news() == []
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}, 5]}
    call = {"type": "function_call", "name": "finish", "call_id": "c", "arguments": "{not json"}
    usage = {"usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}}
    entries = [("response_item", message), ("response_item", call), ("token_usage_record", usage)]
    text = "\n".join(json.dumps({"type": kind, "payload": payload}) for kind, payload in entries)
    path.write_text(f"\x00garbage\n{text}")
    assert rollout.news() == []
    with path.open("a") as file:
        file.write("\n{}\n")
    [said] = rollout.news()
    assert (said.text, said.uses[0].name, said.uses[0].input) == ("Hm.", "finish", {})
    assert said.usage == Usage(6, 2, 4, 0)
    assert rollout.news() == []
