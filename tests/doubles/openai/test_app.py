"""The Responses API's double plays the scripts of the Messages API's, and answers in its own words."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from rig.doubles.anthropic.faults import Fault, Kind
from rig.doubles.openai.app import create_app
from tests.doubles.anthropic.scripts import play

USER: dict[str, Any] = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Copy."}]}
TOOLS = [
    {"type": "namespace", "name": "mcp__rig", "tools": [{"type": "function", "name": "files__read_file"}]},
    {"type": "function", "name": "write_file"},
]
KEY = {"authorization": "Bearer sk-test"}


@pytest.fixture
async def api() -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(create_app(play))
    async with httpx2.AsyncClient(transport=transport, base_url="http://double", headers=KEY) as client:
        yield client


async def ask(api: httpx2.AsyncClient, *items: Any) -> list[dict[str, Any]]:
    body = {"model": "gpt-5.5", "stream": True, "input": [USER, *items], "tools": TOOLS}
    answer = await api.post("/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def output(call: dict[str, Any], text: str) -> dict[str, Any]:
    took = {"type": "input_text", "text": "Wall time: 0.0052 seconds\nOutput:"}
    said = {"type": "input_text", "text": text}
    return {"type": "function_call_output", "call_id": call["call_id"], "output": [took, said]}


async def test_a_script_goes_on_with_what_functions_gave(api: httpx2.AsyncClient) -> None:
    events = await ask(api)
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [(one["type"], one.get("namespace"), one.get("name")) for one in items] == [
        ("message", None, None),
        ("function_call", "mcp__rig", "files__read_file"),
        ("function_call", "mcp__rig", "files__read_file"),
    ]
    usage = events[-1]["response"]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0

    results = [output(call, text) for call, text in zip(items[1:], "ab", strict=True)]
    written = (await ask(api, *items, *results))[-1]["response"]["output"][0]
    assert written["name"] == "write_file"
    assert json.loads(written["arguments"])["content"].startswith("ab")


async def test_a_failed_call_is_known_by_its_words(api: httpx2.AsyncClient) -> None:
    items = (await ask(api))[-1]["response"]["output"]
    results = [output(call, "Error: not_found: No such file.") for call in items[1:]]
    body = {"model": "m", "input": [USER, *items, *results], "tools": TOOLS}
    answer = await api.post("/v1/responses", json=body)
    assert answer.status_code == 400
    assert "expected a tool result without an error; came: not_found" in answer.json()["error"]["message"]


async def test_calls_and_outputs_come_in_pairs(api: httpx2.AsyncClient) -> None:
    items = (await ask(api))[-1]["response"]["output"]
    for odd, complaint in ((items, "No tool output found"), ([output({"call_id": "x"}, "a")], "No tool call found")):
        answer = await api.post("/v1/responses", json={"model": "m", "input": [USER, *odd], "tools": TOOLS})
        assert (answer.status_code, complaint in answer.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("kind", "status", "type"),
    [
        ("usage_limit", 429, "usage_limit_reached"),
        ("rate_limited", 429, "requests"),
        ("no_credit", 429, "insufficient_quota"),
        ("overloaded", 503, "server_error"),
        ("server_error", 500, "server_error"),
        ("unauthorized", 401, "invalid_request_error"),
    ],
)
async def test_refusals_have_the_apis_own_shape(api: httpx2.AsyncClient, kind: Kind, status: int, type: str) -> None:
    await api.post("/_double/faults", json=Fault(kind=kind, retry_after=60).model_dump())
    answer = await api.post("/v1/responses", json={"model": "m", "input": [USER]})
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, type)


async def test_without_a_key_nothing_is_answered(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/responses", json={"model": "m", "input": [USER]}, headers={"authorization": ""})
    assert answer.status_code == 401


async def test_what_goes_wrong_halfway_is_told_in_the_stream(api: httpx2.AsyncClient) -> None:
    await api.post("/_double/faults", json=Fault(kind="overloaded_midway").model_dump())
    assert (await ask(api))[-1]["type"] == "response.failed"
    await api.post("/_double/faults", json=Fault(kind="refusal").model_dump())
    last = (await ask(api))[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "content_filter"},
    )
