"""A book of entries, one a line, in a plain text file."""

from pathlib import Path

from tally.durations import format_duration
from tally.entries import Entry, parse_entry


def read_book(text: str) -> list[Entry]:
    """The entries of a book, in the order they were written."""
    entries = []
    for line in text.splitlines():
        if line.strip():
            entries.append(parse_entry(line))
    return entries


def load_book(path: str | Path) -> list[Entry]:
    """Read a book from a file."""
    return read_book(Path(path).read_text(encoding="utf-8"))


def describe(entry: Entry) -> str:
    """One entry for people: what, how long and why."""
    words = f"{entry.project}: {format_duration(entry.minutes)}"
    return f"{words} ({entry.note})" if entry.note else words
