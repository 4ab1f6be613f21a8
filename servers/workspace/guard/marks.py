"""Characters that stand in a command's words for what only shows when it runs."""

from __future__ import annotations

import re
from typing import Final

VARIABLE: Final = "\x00"  # a variable that the command did not set
OUTPUT: Final = "\x01"  # what a program prints
BULK: Final = "\x02"  # the content of files
NETWORK: Final = "\x03"  # what was fetched
DECODED: Final = "\x04"  # text made by decoding or rewriting other text
SECRET: Final = "\x05"  # noqa: S105 a credential, or the whole environment
OWN: Final = "\x06"  # a process that this command started

ANY: Final = re.compile("[\x00-\x06]")
# What a command itself must not hold: the marks, and what a terminal obeys.
FORBIDDEN: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_NAMES = {mark: f"__unknown_{number}" for number, mark in enumerate("\x00\x01\x02\x03\x04\x05\x06")}
_MARKS = {name: mark for mark, name in _NAMES.items()}


def of(text: str) -> str:
    """The marks in `text`, each once."""
    return "".join(dict.fromkeys(ANY.findall(text)))


def unknown(text: str) -> bool:
    """Whether `text` holds a mark."""
    return ANY.search(text) is not None


def plain(text: str) -> str:
    """`text` without its marks."""
    return ANY.sub("", text)


def as_variables(text: str) -> str:
    """`text` as shell source, its marks as variables that `variable` knows."""
    return ANY.sub(lambda mark: f"${{{_NAMES[mark[0]]}}}", text)


def variable(name: str) -> str | None:
    """The mark that a variable of `as_variables` stands for."""
    return _MARKS.get(name)


def shown(text: str) -> str:
    """`text` for a person's eyes."""
    return ANY.sub("…", text)
