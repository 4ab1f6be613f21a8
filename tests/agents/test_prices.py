from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.prices import Prices, tokens_at_most
from agents.providers import Usage
from servers.kit.character import Llm, Price
from servers.kit.errors import InvalidInput
from servers.kit.money import Money

PRICES = Prices.load()
TOKENS = st.integers(min_value=0, max_value=2_000_000)


def cost(model: str, usage: Usage) -> Money:
    return PRICES.of(model).cost(usage)


def test_each_kind_of_token_has_its_price() -> None:
    assert cost("claude-sonnet-5-5", Usage(1_000_000, 0, 0, 0)) == Money.of(2)
    assert cost("claude-sonnet-5-5", Usage(0, 1_000_000, 0, 0)) == Money.of(10)
    assert cost("claude-sonnet-5-5", Usage(0, 0, 1_000_000, 0)) == Money.of("0.2")
    assert cost("claude-sonnet-5-5", Usage(0, 0, 0, 1_000_000)) == Money.of("2.5")
    assert cost("claude-haiku-5-5", Usage()) == Money()


def test_a_long_prompt_of_some_models_costs_more() -> None:
    assert cost("claude-haiku-5-5", Usage(100_000, 0, 0, 0)) == Money.of("0.01")
    assert cost("claude-haiku-5-5", Usage(100_000, 0, 1, 0)) == Money.of("0.050001")


def test_dated_names_have_the_price_of_their_model() -> None:
    assert cost("claude-opus-5-5-20260901", Usage(1_000_000, 0, 0, 0)) == Money.of(4)


def test_what_nobody_has_a_price_for_is_refused_and_never_free() -> None:
    with pytest.raises(InvalidInput, match=r"claude-next costs.*RIG_PRICES.*llm\.price"):
        PRICES.of("claude-next")


@given(
    model=st.sampled_from(sorted(PRICES.models)),
    used=st.builds(Usage, TOKENS, st.integers(min_value=0, max_value=64_000), TOKENS, TOKENS),
)
def test_no_call_costs_more_than_its_worst_case_and_none_is_free(model: str, used: Usage) -> None:
    price = PRICES.of(model)
    prompt = used.input_tokens + used.cache_read_tokens + used.cache_write_tokens
    worst = price.worst(prompt, used.output_tokens)
    assert price.cost(used) <= worst <= price.worst(prompt + 1, used.output_tokens)
    assert bool(price.cost(used)) == bool(prompt + used.output_tokens)


def test_the_characters_own_price_goes_before_the_table() -> None:
    own = Price(input=Decimal(1), output=Decimal(2), cache_read=Decimal(0), cache_write=Decimal(1))
    assert PRICES.of("claude-sonnet-5-5", own).cost(Usage(0, 1_000_000)) == Money.of(2)


def test_a_file_of_ones_own_changes_and_adds_prices_and_says_what_the_rest_costs(tmp_path: Path) -> None:
    tier = {"input": 1, "output": 3, "cache_write": 1, "cache_read": 0.1}
    own = tmp_path / "prices.json"
    said = {"checked": "2026-11-01", "source": "contract", "models": {"claude-opus-5-5": [tier]}, "unlisted": [tier]}
    own.write_text(json.dumps(said))
    prices = Prices.load(own)
    million = Usage(0, 1_000_000)
    assert prices.of("claude-opus-5-5").cost(million) == prices.of("anything").cost(million) == Money.of(3)
    assert prices.of("claude-sonnet-5-5").cost(million) == Money.of(10)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"checked": "soon"}, "checked"),
        ({"models": {"m": []}}, "models.m"),
        ({"models": {"m": [{"input": 1, "output": 0, "cache_write": 1, "cache_read": 1}]}}, "models.m.0.output"),
        ({"models": {"m": [{"input": -1, "output": 1, "cache_write": 1, "cache_read": 1}]}}, "models.m.0.input"),
        ({"euros": 1}, "euros"),
    ],
)
def test_a_file_that_is_no_price_table_is_refused_by_its_name(
    tmp_path: Path, change: dict[str, Any], wrong: str
) -> None:
    own = tmp_path / "prices.json"
    own.write_text(json.dumps({"checked": "2026-11-01", "source": "s", "models": {}} | change))
    with pytest.raises(InvalidInput, match=rf"prices\.json: not a price table: {wrong}"):
        Prices.load(own)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Prices.load(tmp_path / "none.json")


def test_the_table_is_dated_and_knows_the_default_model() -> None:
    assert PRICES.checked <= datetime.now(UTC).date()
    assert Llm().model in PRICES.models


def test_a_prompt_is_taken_for_longer_than_it_is() -> None:
    assert tokens_at_most(["def double(n):\n    return 2 * n\n", ""]) == 18
    assert tokens_at_most(["é\ud800"]) > 1
