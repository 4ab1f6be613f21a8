"""Money, exactly: whole millionths of a US dollar, and never a float in between."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

MILLION: Final = 1_000_000


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """An amount in US dollars; what is less than a millionth is rounded up, so that nothing is free by rounding.

    Attributes:
        micros: Millionths of a dollar.
    """

    micros: int = 0

    @classmethod
    def of(cls, usd: Decimal | float | str) -> Money:
        """So many dollars; of a float, the shortest number that it is written as."""
        exact = usd if isinstance(usd, Decimal) else Decimal(str(usd))
        return cls.of_micros(exact * MILLION)

    @classmethod
    def of_micros(cls, micros: Decimal) -> Money:
        """So many millionths of a dollar."""
        return cls(int(micros.to_integral_value(ROUND_CEILING)))

    @property
    def usd(self) -> Decimal:
        """In dollars, to the millionth."""
        return Decimal(self.micros).scaleb(-6)

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + other.micros)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - other.micros)

    def __mul__(self, times: int) -> Money:
        return Money(self.micros * times)

    def __bool__(self) -> bool:
        return self.micros != 0

    def __str__(self) -> str:
        """For people: to the cent, or as far as it takes to see that it is not nothing."""
        cents = abs(self.usd).quantize(Decimal("0.01"))
        shown = f"{cents:,}" if cents or not self.micros else f"{abs(self.usd):f}".rstrip("0")
        return f"{'-' if self.micros < 0 else ''}${shown}"
