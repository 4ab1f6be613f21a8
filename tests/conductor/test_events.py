"""What stands in the log can be read again, by this version and by others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.events import TYPES, IssueCancelled, PrUpdated, decode
from conductor.store.records import encode
from servers.kit.errors import NotFound


def values(kind: Any) -> st.SearchStrategy[Any]:
    if kind is Decimal:
        return st.decimals(0, 1_000_000, places=6)
    return st.floats(allow_nan=False, allow_infinity=False) if kind is float else st.from_type(kind)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_written_and_read_again(name: str) -> None:
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(TYPES[name])}

    @given(st.fixed_dictionaries(fields))
    def read_again(data: dict[str, Any]) -> None:
        event = TYPES[name](**data)
        stored = encode(event)
        assert decode(name, stored) == decode(name, msgspec.json.decode(stored)) == event

    read_again()


def test_names_are_in_upper_snake_case() -> None:
    assert {"ISSUE_APPROVED", "PR_CREATED", "CI_FAILED", "E2E_PASSED", "MEMORY_HIT_USED"} <= TYPES.keys()


def test_a_field_that_a_newer_version_added_is_left_out() -> None:
    stored = {"reason": "r", "by": "ada", "colour": "red"}
    assert decode("ISSUE_CANCELLED", stored) == IssueCancelled(reason="r", by="ada")


def test_a_field_that_an_older_version_did_not_write_has_its_default() -> None:
    assert decode("PR_UPDATED", {"number": 1, "head": "h"}) == PrUpdated(number=1, head="h", fence=None)


def test_a_type_that_a_newer_version_wrote_is_named() -> None:
    with pytest.raises(NotFound, match="no event ISSUE_TELEPORTED"):
        decode("ISSUE_TELEPORTED", {})


@pytest.mark.parametrize("data", [{}, {"reason": 1, "by": "ada"}, {"reason": None, "by": "ada"}], ids=str)
def test_data_that_does_not_fit_the_type_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode("ISSUE_CANCELLED", data)
