"""Reading git's diffs: files with counts and patches, hunks, and where a line went."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


@dataclass(frozen=True)
class Hunk:
    old_start: int
    old_count: int
    new_start: int
    new_count: int


@dataclass
class FileDiff:
    path: str
    status: str
    sha: str
    additions: int = 0
    deletions: int = 0
    previous: str | None = None
    patch: str | None = None
    hunks: list[Hunk] = field(default_factory=list[Hunk])

    def covers(self, line: int, side: str) -> bool:
        """Whether a line comment may stand there: the line is inside a hunk of the diff."""
        if side == "LEFT":
            return any(h.old_start <= line < h.old_start + h.old_count for h in self.hunks)
        return any(h.new_start <= line < h.new_start + h.new_count for h in self.hunks)


def parse_diff(output: str) -> list[FileDiff]:
    """The answer of `git diff --raw --numstat -p -z`: raw records, then counts, then patches."""
    head, _, patches = output.partition("\0\0")
    records = head.split("\0")
    files = list(_raw(records))
    _counts(records, {f.path: f for f in files})
    waiting = iter(_patches(patches))
    for file in files:
        patch = next(waiting, "")
        if file.status == "changed":
            next(waiting, "")
            continue
        at = patch.find("\n@@ ")
        if at >= 0:
            file.patch = patch[at + 1 :].rstrip("\n")
            file.hunks = parse_hunks(file.patch)
    return files


def _raw(records: list[str]) -> Iterator[FileDiff]:
    position = 0
    while position < len(records) and records[position].startswith(":"):
        _, _, _, sha, status = records[position].split(" ")
        if status[0] in "RC":
            yield FileDiff(records[position + 2], STATUS[status[0]], sha, previous=records[position + 1])
            position += 3
        else:
            yield FileDiff(records[position + 1], STATUS[status[0]], sha)
            position += 2


def _counts(records: list[str], files: dict[str, FileDiff]) -> None:
    for position, record in enumerate(records):
        parts = record.split("\t")
        if len(parts) != 3 or record.startswith(":"):
            continue
        added, deleted, path = parts
        file = files.get(path or records[position + 2])
        if file and added != "-":
            file.additions, file.deletions = int(added), int(deleted)


def _patches(text: str) -> list[str]:
    return re.split(r"(?m)^diff --git ", text)[1:]


def parse_hunks(patch: str) -> list[Hunk]:
    numbers = ((int(part) if part else 1 for part in match.groups()) for match in HUNK.finditer(patch))
    return [Hunk(*four) for four in numbers]


def hunk_around(patch: str, line: int, side: str) -> str:
    """The piece of the patch that GitHub shows above a comment: from the hunk's head to the line."""
    shown: list[str] = []
    old = new = 0
    for text in patch.splitlines():
        if match := HUNK.match(text):
            shown, old, new = [text], int(match[1]) - 1, int(match[3]) - 1
            continue
        old += not text.startswith("+")
        new += not text.startswith("-")
        shown.append(text)
        reached = old if side == "LEFT" else new
        if reached == line and not text.startswith("+" if side == "LEFT" else "-"):
            break
    return "\n".join(shown)


def follow(line: int, hunks: list[Hunk]) -> int | None:
    """Where a line is after a change; None when the change touched it."""
    shift = 0
    for hunk in hunks:
        if hunk.old_start <= line < hunk.old_start + hunk.old_count:
            return None
        if line >= hunk.old_start + hunk.old_count and line > hunk.old_start:
            shift += hunk.new_count - hunk.old_count
    return line + shift
