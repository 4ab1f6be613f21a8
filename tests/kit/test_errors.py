"""An error says the same on both sides of the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers.kit import errors
from servers.kit.errors import Conflict, RateLimited, Refused, RigError, Superseded, Unavailable, from_wire


def tree(cls: type[RigError] = RigError) -> Iterator[type[RigError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("cls", list(tree()))
def test_every_error_survives_the_wire(cls: type[RigError]) -> None:
    back = from_wire(cls("It moved: look again.").wire())
    assert type(back) is cls
    assert str(back) == "It moved: look again."


@pytest.mark.parametrize("cls", list(tree()))
def test_every_error_has_a_status_and_a_code_of_its_own(cls: type[RigError]) -> None:
    assert 400 <= cls.http_status <= 599
    assert cls.code().replace("_", "").isalpha()
    assert [other for other in tree() if other.code() == cls.code()] == [cls]


def test_every_error_stands_in_the_picture() -> None:
    assert errors.__doc__ is not None
    assert [cls.__name__ for cls in tree() if cls.__name__ not in errors.__doc__] == []


def test_an_error_without_words_still_says_something() -> None:
    assert str(Superseded()) == "superseded"
    assert Conflict().wire() == "conflict: conflict"


@pytest.mark.parametrize("text", ["", "boom", "strange_code: boom", "Error: Conflict"])
def test_what_is_no_code_is_a_plain_error_with_the_whole_text(text: str) -> None:
    back = from_wire(text)
    assert type(back) is RigError
    assert text in str(back)


def test_those_that_may_pass_and_those_that_do_not_are_told_apart() -> None:
    assert isinstance(RateLimited("slow down", retry_after=3), Unavailable)
    assert RateLimited(retry_after=3).retry_after == 3
    assert not any(issubclass(cls, Refused) for cls in tree(Unavailable))
