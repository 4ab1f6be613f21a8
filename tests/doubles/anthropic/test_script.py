"""A script is played again from its start for every request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import UnexpectedInput
from tests.doubles.anthropic.scripts import play

HELLO = {"role": "user", "content": "Copy a and b to c."}
READ = [("toolu_1", "read_file", {"path": "a"}), ("toolu_2", "read_file", {"path": "b"})]


def request(*messages: Any, tools: Sequence[str] = ("read_file", "write_file")) -> MessagesRequest:
    offered = [{"name": name} for name in tools]
    body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [HELLO, *messages], "tools": offered}
    return MessagesRequest.model_validate(body)


def asked(*uses: tuple[str, str, Any]) -> Any:
    content = [{"type": "tool_use", "id": one, "name": name, "input": given} for one, name, given in uses]
    return {"role": "assistant", "content": content}


def told(**results: str) -> Any:
    content = [{"type": "tool_result", "tool_use_id": one, "content": text} for one, text in results.items()]
    return {"role": "user", "content": content}


def test_results_reach_the_script_in_the_order_of_the_uses() -> None:
    turn = play(request(asked(*READ), told(toolu_2="two", toolu_1="one ")))
    assert turn.tool_uses[0].input["content"].startswith("one two")


def test_another_past_than_the_scripts_is_refused() -> None:
    other = [("toolu_1", "read_file", {"path": "z"})]
    with pytest.raises(UnexpectedInput, match="the assistant turn"):
        play(request(asked(*other), told(toolu_1="one")))


def test_a_tool_that_is_not_offered_is_refused() -> None:
    with pytest.raises(UnexpectedInput, match="offers the tool read_file"):
        play(request(tools=["write_file"]))


def test_a_tool_may_be_offered_under_the_name_of_its_server() -> None:
    names = ["mcp__files__read_file", "mcp__files__write_file"]
    assert [one.name for one in play(request(tools=names)).tool_uses] == ["mcp__files__read_file"] * 2


def test_an_error_from_a_tool_is_refused_where_the_script_counts_on_an_answer() -> None:
    answer = told(toolu_1="gone", toolu_2="two")
    answer["content"][0]["is_error"] = True
    with pytest.raises(UnexpectedInput, match="without an error; came: gone"):
        play(request(asked(*READ), answer))


def test_nothing_is_expected_after_the_last_turn() -> None:
    first = play(request(asked(*READ), told(toolu_1="1", toolu_2="2"))).tool_uses[0].input
    written = asked(("toolu_3", "write_file", first))
    done = {"role": "assistant", "content": "Done: ok"}
    past = [asked(*READ), told(toolu_1="1", toolu_2="2"), written, told(toolu_3="ok"), done]
    with pytest.raises(UnexpectedInput, match="no further request"):
        play(request(*past, {"role": "user", "content": "And now?"}))


def test_who_goes_on_with_an_earlier_conversation_begins_anew_in_the_middle() -> None:
    def turn(role: str, **block: Any) -> dict[str, Any]:
        return {"role": role, "content": [block]}

    request = MessagesRequest.model_validate({"model": "m", "max_tokens": 1, "messages": [
        turn("user", type="text", text="Assignment: implement"),
        turn("assistant", type="tool_use", id="t", name="finish", input={}),
        turn("user", type="tool_result", tool_use_id="t", content="taken"),
        turn("user", type="text", text="Assignment: rework"),
        turn("assistant", type="text", text="Yes."),
        turn("user", type="text", text="Go on."),
    ]})  # fmt: skip
    later = request.since(re.compile(r"^Assignment: "))
    assert (later.opening, [turn.role for turn in later.turns]) == (
        "Assignment: rework",
        ["user", "assistant", "user"],
    )
    assert request.since(re.compile("nothing")) is request
