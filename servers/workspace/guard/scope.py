"""What a shell knows while it runs: its folder, variables, functions, aliases and the files it wrote."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from tree_sitter import Node

from servers.workspace.guard import marks
from servers.workspace.guard.place import Place

MOST_VALUES = 8
LONGEST_VALUE = 64 * 1024


class Function(NamedTuple):
    """A function's body, and the source that it stands in."""

    source: str
    body: Node


class Scope:
    """The state of one shell; a variable may have several values where a branch sets it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.cwd: str | None = place.workspace
        self.branch = place.branch
        self.values: dict[str, list[str]] = {}
        self.functions: dict[str, Function] = {}
        self.aliases: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.programs: dict[str, str] = {}
        self.arguments: list[str] | None = None
        self.branching = 0
        self.choice = 0
        self.choices = 1

    def variable(self, name: str) -> str:
        """The value of `$name`, with marks for what is not known."""
        if name in self.values:
            values = self.values[name]
            self.choices = max(self.choices, len(values))
            return values[self.choice % len(values)] if values else ""
        if name.isdigit() or name in ("@", "*", "#"):
            return self._argument(name)
        return self._environment(name)

    def _argument(self, name: str) -> str:
        given = self.arguments
        if given is None:
            return marks.VARIABLE
        if name in ("@", "*"):
            return " ".join(given[1:])
        return str(len(given) - 1) if name == "#" else given[int(name)] if int(name) < len(given) else ""

    def _environment(self, name: str) -> str:
        known = {
            "HOME": self.place.home,
            "PWD": self.cwd or marks.OUTPUT,
            "OLDPWD": marks.OUTPUT,
            "TMPDIR": "/tmp",  # noqa: S108
            "IFS": " \t\n",
            "!": marks.OWN,
            "$": marks.OWN,
            "BASHPID": marks.OWN,
            "?": "0",
            "-": "",
            "_": marks.OUTPUT,
            "RANDOM": "1",
            "SECONDS": "1",
            "UID": "1000",
            "EUID": "1000",
            "SHELL": "/bin/bash",
            "USER": "user",
        }
        if name in known:
            return known[name]
        if self.place.is_secret_variable(name):
            return marks.SECRET
        return marks.variable(name) or marks.VARIABLE

    def is_set(self, name: str) -> bool:
        """Whether the value of `$name` is known."""
        return name in self.values or (self._environment(name) != marks.VARIABLE and marks.variable(name) is None)

    def assign(self, name: str, value: str, more: bool = False) -> None:
        """Set a variable; on a branch it may also keep what it had."""
        if more:
            value = self.variable(name) + value if name in self.values else value
        if len(value) > LONGEST_VALUE:
            value = marks.of(value) + marks.BULK
        if self.branching and name in self.values:
            self.values[name] = [*self.values[name], value][-MOST_VALUES:]
        else:
            self.values[name] = [value]

    def home(self) -> str:
        """What `~` stands for."""
        return self.variable("HOME")

    def absolute(self, path: str) -> str | None:
        """A path from here."""
        return self.place.absolute(path, self.cwd)

    @contextmanager
    def apart(self) -> Generator[None]:
        """A subshell: what it sets and where it goes ends with it."""
        kept = self.cwd, dict(self.values), dict(self.functions), dict(self.aliases), self.branch
        try:
            yield
        finally:
            self.cwd, self.values, self.functions, self.aliases, self.branch = kept

    @contextmanager
    def maybe(self) -> Generator[None]:
        """What may run or not."""
        self.branching += 1
        try:
            yield
        finally:
            self.branching -= 1
