"""Text as PostgreSQL can hold it: without NUL and halves of characters, which the outputs of programs may have."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import AfterValidator


def storable(text: str) -> str:
    """`text` with a question mark for what cannot be stored."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def all_storable(value: Any) -> Any:
    """A JSON value with every text in it storable."""
    match value:
        case str():
            return storable(value)
        case list():
            return [all_storable(one) for one in cast(list[Any], value)]
        case dict():
            return {key: all_storable(one) for key, one in cast(dict[str, Any], value).items()}
        case _:
            return value


Storable = Annotated[str, AfterValidator(storable)]
