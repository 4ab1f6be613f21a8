"""Understands what tools answer, whether it comes as plain text or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from rig.doubles.anthropic.script import Result, UnexpectedInput

NUMBERED: Final = re.compile(r"\s*(\d+)[\t→](.*)")
EXIT_CODE: Final = re.compile(r"exit[_ ]?code\W{0,4}?(-?\d+)", re.IGNORECASE)


def words(result: Result) -> str:
    """All text of an answer, one piece a line."""
    text = result.ok()
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    return "\n".join(strings(answer))


def strings(answer: Any) -> Iterator[str]:
    match answer:
        case str():
            yield answer
        case dict():
            for value in cast("dict[str, Any]", answer).values():
                yield from strings(value)
        case list():
            for value in cast("list[Any]", answer):
                yield from strings(value)
        case _:
            yield json.dumps(answer)


def file_content(result: Result) -> str:
    """A file without the line numbers it is shown with."""
    lines = list(numbered(words(result).splitlines()))
    if not lines:
        raise UnexpectedInput("a file with numbered lines", result.text)
    return "".join(f"{line}\n" for line in lines)


def numbered(lines: list[str]) -> Iterator[str]:
    """What stands behind the numbers 1, 2, 3 …; other lines (a heading, a hint) are left out."""
    expected = 1
    for line in lines:
        found = NUMBERED.fullmatch(line)
        if found and int(found[1]) == expected:
            expected += 1
            yield found[2]


def exit_code(result: Result) -> int:
    found = EXIT_CODE.search(result.ok())
    if not found:
        raise UnexpectedInput("the exit code of a command", result.text)
    return int(found[1])


def passed(result: Result) -> None:
    """The command ended well and its output says OK."""
    if exit_code(result) != 0 or not re.search(r"\bOK\b", words(result)):
        raise UnexpectedInput("a command that ends with 0 and says OK", result.text)
