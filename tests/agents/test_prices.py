from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from agents.providers import Usage
from agents.providers.prices import price_list, usd
from servers.kit.character import Llm


def test_each_kind_of_token_has_its_price() -> None:
    assert usd("claude-sonnet-5-5", Usage(1_000_000, 0, 0, 0)) == pytest.approx(2)
    assert usd("claude-sonnet-5-5", Usage(0, 1_000_000, 0, 0)) == pytest.approx(10)
    assert usd("claude-sonnet-5-5", Usage(0, 0, 1_000_000, 0)) == pytest.approx(0.2)
    assert usd("claude-sonnet-5-5", Usage(0, 0, 0, 1_000_000)) == pytest.approx(2.5)


def test_a_long_prompt_of_some_models_costs_more() -> None:
    assert usd("claude-haiku-5-5", Usage(100_000, 0, 0, 0)) == pytest.approx(0.01)
    assert usd("claude-haiku-5-5", Usage(100_000, 0, 1, 0)) == pytest.approx(0.05, rel=1e-5)


def test_dated_names_have_the_price_of_their_model() -> None:
    assert usd("claude-opus-5-5-20260901", Usage(1_000_000, 0, 0, 0)) == pytest.approx(4)


def test_an_unknown_model_counts_as_the_dearest_so_that_budgets_hold() -> None:
    assert usd("claude-next", Usage(0, 1_000_000, 0, 0)) == pytest.approx(50)


def test_nothing_costs_nothing() -> None:
    assert usd("claude-haiku-5-5", Usage()) == 0


def test_the_list_is_dated_and_knows_the_default_model() -> None:
    assert date.fromisoformat(price_list().checked) <= datetime.now(UTC).date()
    assert Llm().model in price_list().models
