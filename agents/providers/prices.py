"""What a call costs, by the price list in `prices.json`."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from pydantic import BaseModel

from agents.providers import Usage
from servers.kit.logs import get

log = get(__name__)


class Price(BaseModel):
    """US dollars per million tokens, for prompts of more than `above_prompt_tokens`."""

    above_prompt_tokens: int = 0
    input: float
    output: float
    cache_write: float
    cache_read: float

    def usd(self, usage: Usage) -> float:
        parts = (
            self.input * usage.input_tokens,
            self.output * usage.output_tokens,
            self.cache_write * usage.cache_write_tokens,
            self.cache_read * usage.cache_read_tokens,
        )
        return sum(parts) / 1_000_000


class PriceList(BaseModel):
    """Prices by model, and the day on which they were read."""

    checked: str
    source: str
    models: dict[str, list[Price]]


@functools.cache
def price_list() -> PriceList:
    """The list that came with this version."""
    return PriceList.model_validate_json(Path(__file__).with_name("prices.json").read_bytes())


def usd(model: str, usage: Usage) -> float:
    """What one call with `usage` costs; a model that is not listed counts as the dearest, so that budgets hold."""
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    tiers = [price for price in _tiers(model) if price.above_prompt_tokens < max(prompt, 1)]
    return tiers[-1].usd(usage)


@functools.cache
def _tiers(model: str) -> list[Price]:
    models = price_list().models
    family = re.sub(r"(-20\d{6}|\[\w+\]|-latest)$", "", model)
    if family in models:
        return models[family]
    dearest = max(models, key=lambda name: models[name][-1].output)
    log.warning("a model has no price; counting it as the dearest", model=model, dearest=dearest)
    return models[dearest]
