"""The three providers, each with its real client or program, before doubles that share one script."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from agents.providers import Provider
from agents.providers.loading import load
from agents.settings import AgentSettings
from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.openai.app import create_app
from servers.kit.character import Llm
from tests.agents.bench import CHARACTER, Bench
from tests.agents.stage import Model, served

PROVIDERS = ("anthropic", "claude-cli", "codex-cli")
MODELS = {"codex-cli": "gpt-5.5"}
Loading = Callable[..., Provider]


@pytest.fixture
async def openai(model: Model, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[AnthropicDouble]:
    """A Responses API that plays what the Messages API plays."""
    async with served(lambda _: create_app(model.answer)) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        yield AnthropicDouble(url)


@pytest.fixture
def loading(need: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Loading:
    """Loads the providers that are named, as an agent's process does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")

    def loading(*names: str, patience: float = 1.5, **more: str) -> Provider:
        keys = {"anthropic_api_key": "sk-ant-double", "openai_api_key": "sk-double", "token": "t"}
        programs = {"claude_program": need("claude"), "codex_program": need("codex")}
        settings = AgentSettings.load(**keys | programs | more, model_patience_seconds=patience)
        llms = [
            Llm.model_validate({"provider": name, "model": MODELS.get(name, Llm().model), "max_tokens": 1000})
            for name in names
        ]
        return load(CHARACTER.model_copy(update={"llm": llms[0], "fallback_providers": llms[1:]}), settings)

    return loading


@pytest.fixture(params=PROVIDERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def double(name: str, model: Model, openai: AnthropicDouble) -> AnthropicDouble:
    """The API that the provider talks to."""
    return openai if name == "codex-cli" else AnthropicDouble(model.url)


@pytest.fixture
async def bench(
    name: str, model: Model, double: AnthropicDouble, loading: Loading, tmp_path: Path
) -> AsyncGenerator[Bench]:
    bench = Bench(model, loading(name), tmp_path / "run")
    yield bench
    await bench.provider.aclose()
