"""The model loop over the real SDK against a scripted Messages API, with tools that live in the test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from agents.errors import NoModel, Stuck, UsageLimited
from agents.mesh import Mesh
from agents.prices import Prices
from agents.providers import Usage
from agents.providers.anthropic import AnthropicProvider
from agents.toolbelt import Toolbelt
from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, say, use
from servers.kit.character import HttpServer, Llm
from servers.kit.errors import Conflict, Fenced, NotFound
from tests.agents.bench import CHARACTER, FINISH, Bench, at_once
from tests.agents.stage import Model


def provider(patience: float = 5) -> AnthropicProvider:
    llm = Llm(max_tokens=1000)
    return AnthropicProvider(llm, "sk-ant-double", Prices.load().of(llm.model), patience)


@pytest.fixture
async def bench(model: Model, tmp_path: Path) -> AsyncGenerator[Bench]:
    bench = Bench(model, provider(), tmp_path / "run")
    yield bench
    await bench.provider.aclose()


@pytest.fixture
def double(model: Model) -> AnthropicDouble:
    return AnthropicDouble(model.url)


async def test_tools_are_called_and_the_result_is_taken(bench: Bench) -> None:
    def play() -> Play:
        read = yield say("Look.", use("mcp__files__list_files", path="a"))
        assert "list_files {'path': 'a'}" in read.only.ok()
        yield say("", FINISH)

    assert (await bench.run(play)).title == "fix: it"
    assert bench.files.called == [("list_files", {"path": "a"})]
    assert [len(answer.uses) for answer in bench.reported] == [1, 1]


async def test_reads_of_one_turn_go_together_and_writes_keep_their_order(bench: Bench) -> None:
    def play() -> Play:
        uses = [
            use("mcp__files__write", n=1),
            use("mcp__files__list_files"),
            use("mcp__files__list_files"),
            use("mcp__files__write", n=2),
        ]
        results = yield say("", *uses)
        order = ("write", "list_files", "list_files", "write")
        assert [word in result.text for word, result in zip(order, results, strict=True)] == [True] * 4
        yield say("", FINISH)

    await bench.run(play)
    assert [args["n"] for tool, args in bench.files.called if tool == "write"] == [1, 2]
    assert bench.files.most_inside == 3


async def test_a_tool_outside_the_allow_list_is_not_called(bench: Bench) -> None:
    def script(request: MessagesRequest) -> Any:
        if len(request.turns) == 1:
            return say("", use("mcp__files__drop"), use("made_up"))
        results = request.turns[2].blocks
        assert all(block.is_error for block in results)
        assert "You have no tool mcp__files__drop. You have mcp__files__list_files" in str(results[0].content)
        return say("", FINISH)

    bench.model.scripts[:] = [script]
    await bench.run(at_once)
    assert bench.files.called == []


async def test_what_a_server_refuses_is_told_to_the_model(bench: Bench) -> None:
    bench.files.error = Conflict("It moved. Read it again.")

    def play() -> Play:
        refused = (yield say("", use("mcp__files__write"))).only
        assert (refused.is_error, refused.text) == (True, "conflict: It moved. Read it again.")
        yield say("", FINISH)

    await bench.run(play)


async def test_a_lost_claim_ends_the_loop_at_once(bench: Bench) -> None:
    bench.files.error = Fenced("Somebody else has it.")

    def play() -> Play:
        yield say("", use("mcp__files__list_files"), use("mcp__files__write"))

    with pytest.raises(Fenced):
        await bench.run(play)
    assert len(bench.model.requests) == 1


async def test_input_that_is_no_json_is_told_to_the_model(bench: Bench, double: AnthropicDouble) -> None:
    await double.fault("broken_json")
    assert (await bench.run(at_once)).title == "fix: it"
    told = bench.model.requests[-1].turns[2].blocks[0]
    assert told.is_error
    assert "invalid_input: The input is not valid JSON" in str(told.content)
    assert bench.files.called == []


async def test_an_endless_loop_of_tools_ends_at_the_cap_with_its_trace(bench: Bench, double: AnthropicDouble) -> None:
    await double.fault("endless_tools", times=None)
    exceeded = await bench.exceeded(at_once, turns=5)
    assert ("cap of 5 model calls" in exceeded.reason, len(bench.reported)) == (True, 5)
    assert "→ mcp__files__" in exceeded.evidence


async def test_money_is_checked_before_it_is_spent(bench: Bench, double: AnthropicDouble) -> None:
    await double.fault("endless_tools", times=None)
    exceeded = await bench.exceeded(at_once, usd=0.02)
    assert exceeded.spent <= exceeded.limit
    assert len(bench.reported) >= 1


async def test_a_turn_without_a_result_is_answered_once(bench: Bench, double: AnthropicDouble) -> None:
    await double.fault("silent")
    await bench.run(at_once)
    assert "You ended your turn without a result." in bench.model.requests[-1].turns[2].blocks[0].text
    await double.fault("silent", times=2)
    assert (await bench.stuck(at_once)).error_class == "no_result"


async def test_a_result_that_is_refused_can_be_handed_in_again(bench: Bench) -> None:
    bench.complaints = ["tests_failed: no"]

    def play() -> Play:
        refused = (yield say("", use("mcp__files__list_files"), FINISH))[1]
        assert (refused.is_error, refused.text) == (True, "tests_failed: no")
        yield say("", FINISH)

    await bench.run(play)


async def test_three_invalid_results_are_enough(bench: Bench) -> None:
    def play() -> Play:
        first = (yield say("", use("finish", title="did it", summary="x"))).only
        assert "title: String should match pattern" in first.text
        second = (yield say("", FINISH, FINISH))[1]
        assert second.text == "invalid_input: Hand in one result, once."
        yield say("", use("finish", title="fix: it", summary="x", verdict="approve"))

    stuck = await bench.stuck(play)
    assert (stuck.error_class, stuck.evidence) == ("invalid_result", "verdict: Extra inputs are not permitted")


@pytest.mark.parametrize("kind", ["cut", "overloaded_midway", "overloaded", "server_error", "rate_limited"])
async def test_a_model_that_is_away_for_a_moment_is_asked_again(
    bench: Bench, double: AnthropicDouble, kind: Any
) -> None:
    await double.fault(kind, times=1)
    await bench.run(at_once)
    assert len(bench.reported) == 1
    assert len(await double.requests()) == 2


async def test_a_lost_answer_is_paid_for_all_the_same(bench: Bench, double: AnthropicDouble) -> None:
    await bench.run(at_once)
    whole = bench.reported.pop().usage
    bench.shelf.content.clear()
    await double.fault("cut")
    await bench.run(at_once)
    assert bench.reported[0].usage.input_tokens + bench.reported[0].usage.cache_read_tokens > (
        whole.input_tokens + whole.cache_read_tokens
    )


async def test_a_model_that_stays_away_is_named(model: Model, tmp_path: Path) -> None:
    bench = Bench(model, provider(patience=0), tmp_path / "run")
    await AnthropicDouble(model.url).fault("overloaded", times=None)
    with pytest.raises(NoModel, match=r"The model is away: .*Overloaded"):
        await bench.run(at_once)


async def test_a_model_that_stays_busy_is_at_its_limit(model: Model, tmp_path: Path) -> None:
    bench = Bench(model, provider(patience=0), tmp_path / "run")
    await AnthropicDouble(model.url).fault("rate_limited", times=None)
    with pytest.raises(UsageLimited, match=r"anthropic is at its limit until .*rate limit"):
        await bench.run(at_once)


async def test_a_key_that_is_refused_is_not_the_works_fault(bench: Bench, double: AnthropicDouble) -> None:
    await double.fault("unauthorized")
    with pytest.raises(NoModel, match=r"does not let us in: .*invalid x-api-key"):
        await bench.run(at_once)


async def test_a_refused_request_is_not_tried_again(bench: Bench) -> None:
    def play() -> Play:
        yield say("", use("mcp__files__list_files"))

    stuck = await bench.stuck(play)
    assert stuck.error_class == "model_error"
    assert "refused the request" in stuck.reason
    assert len(bench.model.requests) == 2


async def test_a_tool_that_no_server_offers_is_a_mistake_in_the_character(bench: Bench) -> None:
    servers = {"files": HttpServer(tools=["reed"])}
    with pytest.raises(Stuck, match="offers dev-e no tool reed"):
        await Toolbelt.of(CHARACTER.model_copy(update={"mcp_servers": servers}), Mesh({"files": bench.files}, 0))
    with pytest.raises(NotFound):
        await Toolbelt.of(CHARACTER, Mesh({}, 0))


async def test_no_character_gives_its_model_what_is_the_runtimes(bench: Bench) -> None:
    bench.files.names.append("get_transcript")
    servers = {"files": HttpServer(tools=["get_transcript"])}
    with pytest.raises(Stuck, match="offers dev-e no tool get_transcript"):
        await Toolbelt.of(CHARACTER.model_copy(update={"mcp_servers": servers}), Mesh({"files": bench.files}, 0))


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3, 4) + Usage(1, 1, 1, 1) == Usage(2, 3, 4, 5)
