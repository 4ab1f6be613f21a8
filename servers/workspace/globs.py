"""Glob patterns over paths, matched in time linear in the path."""

from __future__ import annotations

import re
from fnmatch import translate

from servers.kit.errors import InvalidInput

MAX_ALTERNATIVES = 64


class Glob:
    """`*`, `?`, `[…]` within a name, `**` for any folders, `{a,b}` either, a leading `!` negates.

    Without a slash the pattern is about the name, at any depth.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > 500 or "\0" in pattern:
            raise InvalidInput("A glob has at most 500 characters and no NUL.")
        self._wanted, pattern = not pattern.startswith("!"), pattern.removeprefix("!")
        try:
            self._alternatives = [_Path(alternative) for alternative in _alternatives(pattern)]
        except re.error as error:
            raise InvalidInput(f"The glob {pattern} cannot be understood ({error}).") from error

    def matches(self, path: str) -> bool:
        """Whether the whole path matches; `a/**` means everything below a."""
        return any(alternative.matches(path) for alternative in self._alternatives) is self._wanted


class _Path:
    def __init__(self, pattern: str) -> None:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if "/" not in pattern:
            parts.insert(0, "**")
        self._parts = [None if part == "**" else re.compile(translate(part)) for part in parts]

    def matches(self, path: str) -> bool:
        reached = self._with_empty({0})
        for name in path.split("/"):
            reached = self._with_empty({after for at in reached for after in self._step(at, name)})
        return len(self._parts) in reached

    def _step(self, at: int, name: str) -> tuple[int, ...]:
        part = self._parts[at] if at < len(self._parts) else _NEVER
        if part is None:
            return (at,)
        return (at + 1,) if part.match(name) else ()

    def _with_empty(self, reached: set[int]) -> set[int]:
        for at, part in enumerate(self._parts):
            if at in reached and part is None:
                reached.add(at + 1)
        return reached


_NEVER = re.compile(r"(?!)")
_BRACES = re.compile(r"\{([^{}]*)\}")


def _alternatives(pattern: str) -> list[str]:
    done, open_ = list[str](), [pattern]
    while open_:
        braces = _BRACES.search(open_[0])
        if braces is None:
            done.append(open_.pop(0))
            continue
        whole = open_.pop(0)
        open_ += [whole[: braces.start()] + choice + whole[braces.end() :] for choice in braces[1].split(",")]
        if len(open_) + len(done) > MAX_ALTERNATIVES:
            raise InvalidInput(f"A glob has at most {MAX_ALTERNATIVES} alternatives in braces.")
    return done
