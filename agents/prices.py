"""What model calls cost, by a dated table: the one in `prices.json`, unless a file or a character says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from servers.kit.character import Price
from servers.kit.errors import InvalidInput
from servers.kit.money import Money

PACKAGED = Path(__file__).with_name("prices.json")
BYTES_A_TOKEN = 2  # text takes three to four of them, dense code and digits hardly less than two
_VARIANT = re.compile(r"(-20\d{6}|-20\d\d-\d\d-\d\d|\[\w+\]|-latest)$")


class Tokens(Protocol):
    """What one model call used."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...


class Tier(Price):
    """The price of a call whose prompt has more than `above_prompt_tokens`."""

    above_prompt_tokens: int = Field(default=0, ge=0)


Tiers = Annotated[list[Tier], Field(min_length=1)]


class Prices(BaseModel):
    """A price table, in US dollars per million tokens, and the day on which it was read.

    Attributes:
        unlisted: What a model costs that the table does not name; without it such a model is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    checked: date
    source: str
    unit: str = ""
    models: dict[str, Tiers]
    unlisted: Tiers | None = None

    @field_validator("models")
    @classmethod
    def _in_order(cls, models: dict[str, list[Tier]]) -> dict[str, list[Tier]]:
        return {name: sorted(tiers, key=lambda tier: tier.above_prompt_tokens) for name, tiers in models.items()}

    @classmethod
    def load(cls, path: Path | None = None) -> Prices:
        """The table that came with this version, with what the file at `path` says instead or besides.

        Raises:
            InvalidInput: The file cannot be read, or is no price table.
        """
        packaged = _read(PACKAGED)
        if path is None:
            return packaged
        own = _read(path)
        return own.model_copy(update={"models": packaged.models | own.models})

    def of(self, model: str, own: Price | None = None) -> ModelPrice:
        """What calls of `model` cost.

        Args:
            own: The character's own price, which goes before the table's.

        Raises:
            InvalidInput: Nobody says what it costs.
        """
        if own is not None:
            return ModelPrice(model, [Tier(**own.model_dump())])
        tiers = self.models.get(model) or self.models.get(_VARIANT.sub("", model)) or self.unlisted
        if tiers is None:
            raise InvalidInput(
                f"Nobody says what the model {model} costs, so no budget would hold. Put its price into the file "
                "that RIG_PRICES names (`models`, or `unlisted` for all that it does not name), or into the "
                "character as `llm.price`."
            )
        return ModelPrice(model, tiers)


class ModelPrice:
    """The price of one model's calls."""

    def __init__(self, model: str, tiers: list[Tier]) -> None:
        self.model = model
        self._tiers = tiers

    def cost(self, used: Tokens) -> Money:
        """What a call cost, rounded up to a millionth of a dollar."""
        tier = self._tier(used.input_tokens + used.cache_read_tokens + used.cache_write_tokens)
        micros = (
            tier.input * used.input_tokens
            + tier.output * used.output_tokens
            + tier.cache_read * used.cache_read_tokens
            + tier.cache_write * used.cache_write_tokens
        )
        return Money.of_micros(micros)

    def worst(self, prompt_tokens: int, output_tokens: int) -> Money:
        """What a call can cost at most: its whole prompt at the dearest rate, and the longest answer."""
        tiers = [tier for tier in self._tiers if tier.above_prompt_tokens < max(prompt_tokens, 1)]
        return max(Money.of_micros(_dearest(tier) * prompt_tokens + tier.output * output_tokens) for tier in tiers)

    def _tier(self, prompt_tokens: int) -> Tier:
        return [tier for tier in self._tiers if tier.above_prompt_tokens < max(prompt_tokens, 1)][-1]


def tokens_at_most(texts: Iterable[str]) -> int:
    """More tokens than `texts` have together, for they are not counted before they are sent."""
    return sum(len(text.encode(errors="replace")) // BYTES_A_TOKEN + 1 for text in texts)


def _dearest(tier: Tier) -> Decimal:
    return max(tier.input, tier.cache_write, tier.cache_read)


def _read(path: Path) -> Prices:
    try:
        return Prices.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path}: the price table cannot be read ({error}).") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
        raise InvalidInput(f"{path}: not a price table: {wrong}") from error
