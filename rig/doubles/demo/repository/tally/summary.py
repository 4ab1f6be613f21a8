"""Totals over entries."""

from collections.abc import Callable, Iterable

from tally.entries import Entry


def by_project(entry: Entry) -> str:
    """Entries of one project belong together."""
    return entry.project


def by_day(entry: Entry) -> str:
    """Entries of one day belong together."""
    return entry.day.isoformat()


GROUPS: dict[str, Callable[[Entry], str]] = {
    "project": by_project,
    "day": by_day,
}


def total_by(group: str, entries: Iterable[Entry]) -> dict[str, int]:
    """Minutes in each group, sorted by its name."""
    key = GROUPS[group]
    totals: dict[str, int] = {}
    for entry in entries:
        totals[key(entry)] = totals.get(key(entry), 0) + entry.minutes
    return dict(sorted(totals.items()))
