"""Reads what git and GitHub say about changed files and lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
GITLINK = "160000"


@dataclass(frozen=True)
class Change:
    """One changed file."""

    path: str
    mode: str

    @property
    def is_repository(self) -> bool:
        return self.mode == GITLINK


@dataclass(frozen=True)
class AddedLine:
    """A line that a change adds."""

    path: str
    number: int
    text: str


def parse_raw(raw: str) -> list[Change]:
    """The changes from `git diff --raw -z` without renames."""
    fields = raw.rstrip("\0").split("\0") if raw else []
    return [Change(path, meta.split()[1]) for meta, path in zip(fields[::2], fields[1::2], strict=True)]


def lines_changed(diff: str) -> int:
    """How many lines a unified diff without context adds and removes."""
    return sum(int(hunk[number] or 1) for hunk in HUNK.finditer(diff) for number in (1, 3))


def added_lines(diff: str) -> list[AddedLine]:
    """The lines that a unified diff adds."""
    return [line for line, added in new_side(diff) if added]


def commentable(diff: str) -> set[tuple[str, int]]:
    """Path and number of each line of the new files that a unified diff shows."""
    return {(line.path, line.number) for line, _ in new_side(diff)}


def new_side(diff: str) -> Iterator[tuple[AddedLine, bool]]:
    """Each line of the new files that the diff shows, and whether it is added."""
    path, number, in_hunk = "", 0, False
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            in_hunk = False
        elif found := HUNK.match(line):
            number, in_hunk = int(found[2]), True
        elif not in_hunk:
            if line.startswith("+++ "):
                path = line.removeprefix("+++ ").removeprefix("b/").rstrip("\t")
        elif line[:1] in ("+", " "):
            yield AddedLine(path, number, line[1:]), line[0] == "+"
            number += 1
