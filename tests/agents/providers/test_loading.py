"""Which providers a character gets, what is missing for them, and who goes on where one cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from agents.conversation import AnyConversation
from agents.errors import NoModel, Stuck, UsageLimited
from agents.providers.in_order import REST, InOrder
from agents.providers.loading import ANTHROPIC, CLAUDE, OPENAI, keys, missing, models, require
from agents.settings import AgentSettings
from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.anthropic.script import Play, say, use
from servers.kit import character as characters
from servers.kit.errors import InvalidInput
from tests.agents.bench import FINISH, Bench
from tests.agents.providers.conftest import Loading
from tests.agents.stage import Model

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
OLD = """\
character:
  name: dev-e
  role: dev
  personality: You work.
  llm: {provider: claude-cli}
  fallbackProviders:
    - {provider: codex-cli, model: gpt-5.5}
    - {provider: anthropic}
  git: {name: E, email: e@example.org}
"""


class Told:
    """A provider that does as it is told."""

    def __init__(self, name: str, *outcomes: Exception | None) -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.asked = 0

    async def work(self, conversation: AnyConversation) -> None:
        self.asked += 1
        if outcome := self.outcomes.pop(0):
            raise outcome

    async def aclose(self) -> None:
        return


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def limited(hours: float, name: str = "a") -> UsageLimited:
    return UsageLimited(name, NOW + timedelta(hours=hours), "usage limit reached")


class Listener:
    """What a conversation hears of limits."""

    def __init__(self) -> None:
        self.limits: list[str] = []

    async def limited(self, limit: UsageLimited) -> None:
        self.limits.append(limit.provider)


async def work(order: InOrder) -> list[str]:
    listener = Listener()
    await order.work(cast(AnyConversation, listener))
    return listener.limits


async def fails(order: InOrder) -> tuple[NoModel | UsageLimited, list[str]]:
    listener = Listener()
    with pytest.raises((NoModel, UsageLimited)) as caught:
        await order.work(cast(AnyConversation, listener))
    return caught.value, listener.limits


async def test_the_next_goes_on_where_one_cannot() -> None:
    first, second = Told("a", limited(1), None), Told("b", None, None)
    clock = Clock()
    order = InOrder([first, second], clock)
    assert await work(order) == ["a"]
    assert (first.asked, second.asked, order.name) == (1, 1, "a")
    await work(order)
    assert (first.asked, second.asked) == (1, 2)  # it rests until its limit ends
    clock.now += timedelta(hours=1)
    await work(order)
    assert (first.asked, second.asked) == (2, 2)


async def test_where_all_are_limited_each_is_told_and_the_first_end_counts() -> None:
    order = InOrder([Told("a", limited(3, "a")), Told("b", limited(2, "b"))], Clock())
    failure, told = await fails(order)
    assert isinstance(failure, UsageLimited)
    assert (failure.provider, failure.until) == ("b", NOW + timedelta(hours=2))
    assert told == ["a", "b"]


async def test_where_all_rest_all_are_asked_and_told_again() -> None:
    first, second = Told("a", limited(3, "a"), limited(4, "a")), Told("b", limited(5, "b"), None)
    order = InOrder([first, second], Clock())
    await fails(order)
    assert await work(order) == ["a"]


async def test_a_limit_beside_one_that_is_away_is_told_but_the_process_leaves() -> None:
    failure, told = await fails(InOrder([Told("a", limited(3)), Told("b", NoModel("away"))], Clock()))
    assert isinstance(failure, NoModel)
    assert told == ["a"]
    assert "usage limit reached away" in str(failure)


async def test_where_none_is_to_be_had_all_reasons_are_told_and_all_are_asked_again() -> None:
    first, second = Told("a", NoModel("The key."), None), Told("b", NoModel("The line."))
    order = InOrder([first, second], Clock())
    with pytest.raises(NoModel, match=r"The key\. The line\."):
        await work(order)
    await work(order)
    assert first.asked == 2


async def test_one_that_is_away_is_asked_again_after_some_minutes() -> None:
    first, second = Told("a", NoModel("away"), None), Told("b", None, None)
    clock = Clock()
    order = InOrder([first, second], clock)
    await work(order)
    clock.now += REST
    await work(order)
    assert (first.asked, second.asked) == (2, 1)


async def test_what_is_the_works_own_fault_is_no_reason_to_ask_another() -> None:
    second = Told("b", None)
    with pytest.raises(Stuck):
        await work(InOrder([Told("a", Stuck("gave_up", "No.")), second], Clock()))
    assert second.asked == 0


async def test_another_model_goes_on_with_the_same_files_and_the_same_budget(
    model: Model, openai: AnthropicDouble, loading: Loading, tmp_path: Path
) -> None:
    order = loading("anthropic", "claude-cli", patience=1)
    bench = Bench(model, order, tmp_path / "run")
    await AnthropicDouble(model.url).fault("usage_limit", skip=1, retry_after=7200)

    def play() -> Play:
        first = model.requests[-1]
        if "Another model began this work" not in first.opening:
            yield say("Begin.", use("mcp__files__write"))
        yield say("", FINISH)

    assert (await bench.run(play)).title == "fix: it"
    assert bench.limits == ["anthropic"]
    assert [answer.provider for answer in bench.reported] == ["anthropic", "claude-cli"]
    assert [tool for tool, _ in bench.files.called] == ["write"]
    await order.aclose()


def test_the_older_form_of_a_character_names_its_providers_in_order() -> None:
    character = characters.parse(OLD, "dev-e.yaml")
    assert [(llm.provider, llm.model) for llm in models(character)] == [
        ("claude-cli", "claude-sonnet-5-5"),
        ("codex-cli", "gpt-5.5"),
        ("anthropic", "claude-sonnet-5-5"),
    ]


def settings(**more: Any) -> AgentSettings:
    return AgentSettings.load(token="t", **more)


def test_everything_that_is_missing_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    character = characters.parse(OLD, "dev-e.yaml")
    with pytest.raises(InvalidInput) as caught:
        require(character, settings(claude_program="no-claude", codex_program="no-codex"))
    assert str(caught.value).splitlines() == [
        "dev-e cannot reach its model.",
        f"claude-cli: {CLAUDE}",
        "claude-cli: There is no program no-claude. Install it: npm install --global @anthropic-ai/claude-code",
        f"codex-cli: {OPENAI}",
        "codex-cli: There is no program no-codex. Install it: npm install --global @openai/codex",
        f"anthropic: {ANTHROPIC}",
    ]


def test_a_key_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("sk-x\n")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("RIG_OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    assert missing("codex-cli", settings(codex_program="true")) == []


def test_a_program_sees_one_key_its_own_before_the_shared_one() -> None:
    own = settings(claude_code_oauth_token="oat", anthropic_api_key="ant", codex_api_key="cod", openai_api_key="oai")
    shared = settings(anthropic_api_key="ant", openai_api_key="oai")
    assert keys("claude-cli", own) == {"CLAUDE_CODE_OAUTH_TOKEN": "oat"}
    assert keys("claude-cli", shared) == {"ANTHROPIC_API_KEY": "ant"}
    assert keys("codex-cli", own) == {"CODEX_API_KEY": "cod"}
    assert keys("codex-cli", shared) == {"OPENAI_API_KEY": "oai"}
    assert keys("anthropic", own) == {"ANTHROPIC_API_KEY": "ant"}
