"""Expands what stands between `${` and `}`."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Protocol

from servers.workspace.guard import marks

FORM = re.compile(r"(!?)([A-Za-z_]\w*|[0-9]+|[@*#?$!-])(\[[^\]]*\])?(.*)", re.DOTALL)


class Variables(Protocol):
    """Where values come from."""

    def variable(self, name: str) -> str: ...
    def assign(self, name: str, value: str) -> None: ...
    def is_set(self, name: str) -> bool: ...


def expand(body: str, scope: Variables, inner: Callable[[str], str]) -> str:
    """The value of `${body}`.

    Args:
        inner: Expands a word that stands within.
    """
    if body.startswith("#") and len(body) > 1:
        return "1"
    form = FORM.fullmatch(body)
    if form is None:
        inner(body)
        return marks.OUTPUT
    indirect, name, _, rest = form.groups()
    if indirect and rest not in ("@", "*"):
        name = marks.plain(scope.variable(name))
        if not name:
            return marks.SECRET  # any variable at all
    return _operated(name, rest, scope, inner)


def _operated(name: str, rest: str, scope: Variables, inner: Callable[[str], str]) -> str:
    if not rest:
        return scope.variable(name)
    if rest[:2] in (":-", ":=", ":+", ":?"):
        return _default(name, rest[1], rest[2:], scope, inner)
    if rest[0] in "-=+?":
        return _default(name, rest[0], rest[1:], scope, inner)
    value = scope.variable(name)
    if rest[0] in "#%":
        return _trimmed(value, rest[0], inner(rest.lstrip("#%")), greedy=rest[:2] in ("##", "%%"))
    if rest[0] == "/":
        return _replaced(value, rest[1:], inner)
    if rest[0] in "^,":
        return value.upper() if rest[0] == "^" else value.lower()
    if rest[0] == ":":
        return _slice(value, rest[1:])
    return value


def _default(name: str, operator: str, word: str, scope: Variables, inner: Callable[[str], str]) -> str:
    known = scope.is_set(name)
    if operator == "+":
        return inner(word)
    if operator == "?":
        return scope.variable(name) if known else marks.OUTPUT
    if known and scope.variable(name):
        return scope.variable(name)
    other = inner(word)
    if operator == "=":
        scope.assign(name, other)
    value = scope.variable(name)
    return value if value == marks.SECRET else other or value


def _trimmed(value: str, end: str, pattern: str, greedy: bool) -> str:
    if marks.unknown(value):
        return value
    expression = re.compile(translate(pattern[:200]))
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if greedy else lengths:
        if end == "#" and expression.match(value[:length]):
            return value[length:]
        if end == "%" and expression.match(value[len(value) - length :]):
            return value[: len(value) - length]
        if length > 1000:
            break
    return value


def _replaced(value: str, rest: str, inner: Callable[[str], str]) -> str:
    every = rest.startswith("/")
    pattern, _, new = rest[1 if every else 0 :].lstrip("#%").partition("/")
    found, put = inner(pattern), inner(new)
    if not found or marks.unknown(value) or re.search(r"[*?\[]", found):
        return value
    return value.replace(found, put) if every else value.replace(found, put, 1)


def _slice(value: str, rest: str) -> str:
    numbers = re.fullmatch(r"\s*(-?\d+)\s*(?::\s*(-?\d+)\s*)?", rest)
    if numbers is None or marks.unknown(value):
        return value
    start = int(numbers[1])
    tail = value[start:]
    return tail if numbers[2] is None else tail[: int(numbers[2])]
