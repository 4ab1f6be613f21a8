"""Which lines of a pull request can be commented on: those that its diff shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from servers.github.models import LineComment

ROOM = 62_000  # of the 65,536 characters that GitHub takes, for what a review says besides its mark
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def shown_lines(patch: str) -> set[int]:
    """Line numbers at the head that appear in one file's patch."""
    lines: set[int] = set()
    current = 0
    for line in patch.splitlines():
        if hunk := _HUNK.match(line):
            current = int(hunk[1])
        elif line.startswith(("+", " ")) or not line:
            lines.add(current)
            current += 1
    return lines


def split(comments: Iterable[LineComment], patches: Mapping[str, str]) -> tuple[list[LineComment], list[LineComment]]:
    """The comments on lines of the diff, and the others."""
    shown = {path: shown_lines(patch) for path, patch in patches.items()}
    inside: list[LineComment] = []
    outside: list[LineComment] = []
    for comment in comments:
        (inside if comment.line in shown.get(comment.path, ()) else outside).append(comment)
    return inside, outside


def fold(body: str, comments: Sequence[LineComment]) -> str:
    """`body` with comments that have no place in the diff listed below it."""
    if not comments:
        return body
    listed = "\n".join(f"- `{c.path}:{c.line}` {_indented(c.body)}" for c in comments)
    whole = f"{body}\n\nOn lines outside the diff:\n\n{listed}".lstrip()
    return whole if len(whole) <= ROOM else f"{whole[:ROOM]}…"


def _indented(body: str) -> str:
    return body.strip().replace("\n", "\n  ")
