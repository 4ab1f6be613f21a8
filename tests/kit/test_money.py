from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.kit.money import Money


@given(st.lists(st.integers(min_value=0, max_value=10**9), max_size=50))
def test_sums_are_exact_however_they_were_written(micros: list[int]) -> None:
    written = [float(Money(each).usd) for each in micros]
    assert sum((Money.of(usd) for usd in written), Money()) == Money(sum(micros))


def test_what_is_less_than_a_millionth_is_rounded_up() -> None:
    assert Money.of("0.0000001") == Money(1)
    assert Money.of(0.1) + Money.of(0.2) == Money.of(Decimal("0.3"))
    assert not Money.of(0)


@pytest.mark.parametrize(
    ("usd", "shown"),
    [("0", "$0.00"), ("1234.5", "$1,234.50"), ("0.0042", "$0.0042"), ("0.004", "$0.004"), ("-2", "-$2.00")],
)
def test_people_read_dollars_and_cents_and_nothing_looks_free(usd: str, shown: str) -> None:
    assert str(Money.of(usd)) == shown
