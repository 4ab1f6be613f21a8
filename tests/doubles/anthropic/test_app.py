"""The double as the real SDK meets it over HTTP."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message, MessageParam, ToolParam

from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.anthropic.usage import BEHIND_BLOCKS
from tests.doubles.anthropic.scripts import LONG

TOOLS: list[ToolParam] = [
    {"name": name, "input_schema": {"type": "object"}} for name in ("list_files", "read_file", "write_file")
]
HELLO: list[MessageParam] = [{"role": "user", "content": "Copy a and b to c."}]


async def ask(client: anthropic.AsyncAnthropic, messages: list[MessageParam], **more: Any) -> Message:
    given: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 1000, "tools": TOOLS, **more}
    async with client.messages.stream(messages=messages, **given) as stream:
        return await stream.get_final_message()


def answered(messages: list[MessageParam], message: Message, *texts: str) -> list[MessageParam]:
    uses = [block for block in message.content if block.type == "tool_use"]
    results: Any = [
        {"type": "tool_result", "tool_use_id": use.id, "content": text} for use, text in zip(uses, texts, strict=True)
    ]
    return [*messages, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]


async def test_a_conversation_with_parallel_tools_is_streamed_to_its_end(client: anthropic.AsyncAnthropic) -> None:
    first = await ask(client, HELLO)
    assert first.stop_reason == "tool_use"
    assert [block.type for block in first.content] == ["text", "tool_use", "tool_use"]
    second = await ask(client, messages := answered(HELLO, first, "one ", "two "))
    assert second.content[0].to_dict()["input"] == {"path": "c", "content": f"one two {LONG}"}
    last = await ask(client, answered(messages, second, "written"))
    assert (last.stop_reason, last.content[0].to_dict()["text"]) == ("end_turn", "Done: written")


async def test_the_same_comes_without_a_stream(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(model="claude-opus-5-5", max_tokens=9, messages=HELLO, tools=TOOLS)
    streamed = await ask(client, HELLO)
    assert [block.type for block in message.content] == [block.type for block in streamed.content]
    assert message.usage.output_tokens == streamed.usage.output_tokens > 1


async def test_events_come_in_the_order_and_pieces_of_the_api(double: AnthropicDouble) -> None:
    body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": HELLO, "tools": TOOLS, "stream": True}
    async with httpx2.AsyncClient(base_url=double.url) as http:
        answer = await http.post("/v1/messages?beta=true", json=body, headers={"authorization": "Bearer x"})
    events = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events[:3] == ["message_start", "content_block_start", "ping"]
    assert events[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert answer.text.count('"input_json_delta"') > 2


async def test_a_retried_request_gets_the_same_turn(client: anthropic.AsyncAnthropic) -> None:
    first, again = await ask(client, HELLO), await ask(client, HELLO)
    assert [b.to_dict().get("input") for b in first.content] == [b.to_dict().get("input") for b in again.content]
    assert first.id != again.id


async def test_a_script_that_meets_something_else_refuses_and_says_so(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    messages = answered(HELLO, await ask(client, HELLO), "a secret", "two")
    with pytest.raises(anthropic.BadRequestError, match="expected files without a secret; came: a secrettwo"):
        await ask(client, messages)
    assert len(await double.complaints()) == 1


async def test_no_key_is_refused(double: AnthropicDouble) -> None:
    async with httpx2.AsyncClient(base_url=double.url) as http:
        answer = await http.post("/v1/messages", json={})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


async def test_a_body_that_is_no_request_is_refused_by_its_first_fault(double: AnthropicDouble) -> None:
    async with httpx2.AsyncClient(base_url=double.url, headers={"x-api-key": "x"}) as http:
        missing = await http.post("/v1/messages", json={"model": "claude-opus-5-5", "messages": HELLO})
        broken = await http.post("/v1/messages", content=b"{")
    assert missing.json()["error"] == {"type": "invalid_request_error", "message": "max_tokens: Field required"}
    assert broken.status_code == 400


async def test_an_unknown_model_is_not_found(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: gpt"):
        await ask(client, HELLO, model="gpt")


async def test_tokens_are_counted_and_models_listed(client: anthropic.AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model="claude-opus-5-5", messages=HELLO, tools=TOOLS)
    asked = await ask(client, HELLO)
    assert counted.input_tokens == asked.usage.input_tokens
    assert "claude-opus-5-5" in [model.id async for model in client.models.list()]
    assert (await client.models.retrieve("claude-opus-5-5")).display_name == "Claude Opus 5.5"


async def test_a_cached_prefix_is_written_once_and_read_afterwards(client: anthropic.AsyncAnthropic) -> None:
    marked: dict[str, Any] = {"system": "Be good. " * 1000, "cache_control": {"type": "ephemeral"}}
    first = await ask(client, HELLO, **marked)
    second = await ask(client, answered(HELLO, first, "one", "two"), **marked)
    assert (first.usage.cache_read_input_tokens, first.usage.input_tokens) == (0, BEHIND_BLOCKS)
    assert second.usage.input_tokens == BEHIND_BLOCKS
    assert second.usage.cache_read_input_tokens == first.usage.cache_creation_input_tokens
    assert 0 < (second.usage.cache_creation_input_tokens or 0) < 200


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("rate_limited", 429, "rate_limit_error"),
        ("server_error", 500, "api_error"),
        ("overloaded", 529, "overloaded"),
    ],
)
async def test_a_refusal_is_given_as_often_as_ordered(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble, kind: Any, status: int, error: str
) -> None:
    await double.fault(kind, times=2)
    for _ in range(2):
        with pytest.raises(anthropic.APIStatusError, match=error) as caught:
            await ask(client, HELLO)
        assert caught.value.status_code == status
    assert (await ask(client, HELLO)).stop_reason == "tool_use"


async def test_the_sdk_waits_out_a_rate_limit_by_itself(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    await double.fault("rate_limited", retry_after=0.01)
    assert (await ask(client.with_options(max_retries=1), HELLO)).stop_reason == "tool_use"
    assert [entry.status for entry in await double.requests()] == [429, 200]


async def test_a_cut_stream_is_a_lost_connection(client: anthropic.AsyncAnthropic, double: AnthropicDouble) -> None:
    await double.fault("cut")
    with pytest.raises((httpx2.RemoteProtocolError, anthropic.APIConnectionError)):
        await ask(client, HELLO)


async def test_an_overload_may_come_in_the_middle_of_the_stream(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    await double.fault("overloaded_midway")
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        await ask(client, HELLO)


async def test_tool_input_may_be_no_json(client: anthropic.AsyncAnthropic, double: AnthropicDouble) -> None:
    await double.fault("broken_json")
    with pytest.raises(ValueError, match="Unable to parse tool parameter JSON"):
        await ask(client, HELLO)


@pytest.mark.parametrize("kind", ["wrong_input", "endless_tools"])
async def test_the_script_goes_on_after_a_turn_of_a_confused_model(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble, kind: Any
) -> None:
    expected = await ask(client, HELLO)
    await double.fault(kind)
    confused = await ask(client, HELLO)
    assert confused.stop_reason == "tool_use"
    onwards = await ask(client, answered(HELLO, confused, "invalid_input: no"))
    assert [b.to_dict().get("input") for b in onwards.content] == [b.to_dict().get("input") for b in expected.content]


async def test_the_script_goes_on_after_a_turn_without_a_result(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    await double.fault("silent")
    silent = await ask(client, HELLO)
    assert silent.stop_reason == "end_turn"
    nudged: Any = [*HELLO, {"role": "assistant", "content": silent.content}, {"role": "user", "content": "Go on."}]
    assert (await ask(client, nudged)).stop_reason == "tool_use"


async def test_a_fault_meets_only_what_it_matches_and_only_after_what_it_skips(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    await double.fault("overloaded", matching="other words", skip=1)
    others: list[MessageParam] = [{"role": "user", "content": "other words"}]
    assert (await ask(client, HELLO)).content
    assert (await ask(client, others)).content
    with pytest.raises(anthropic.APIStatusError):
        await ask(client, others)
    assert await double.faults() == []


async def test_a_slow_answer_outlasts_an_impatient_client(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    await double.fault("slow", seconds=30)
    with pytest.raises(anthropic.APITimeoutError):
        await ask(client.with_options(timeout=0.2), HELLO)


async def test_a_fault_can_be_called_off(client: anthropic.AsyncAnthropic, double: AnthropicDouble) -> None:
    await double.fault("overloaded", times=None)
    await double.clear_faults()
    assert (await ask(client, HELLO)).content


async def test_an_order_that_means_nothing_is_refused(double: AnthropicDouble) -> None:
    async with httpx2.AsyncClient(base_url=double.url) as http:
        answer = await http.post("/_double/faults", json={"kind": "earthquake"})
    assert answer.status_code == 400


async def test_the_journal_tells_what_was_asked_but_no_key(
    client: anthropic.AsyncAnthropic, double: AnthropicDouble
) -> None:
    await ask(client, HELLO)
    entry = (await double.requests())[0]
    assert entry.tools == ["list_files", "read_file", "write_file"]
    assert [use["name"] for use in entry.tool_uses] == ["read_file", "read_file"]
    assert "sk-ant" not in entry.model_dump_json()
