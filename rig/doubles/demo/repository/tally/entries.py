"""One entry: a day, a project, the minutes spent and a note."""

from dataclasses import dataclass
from datetime import date

from tally.durations import parse_duration


@dataclass(frozen=True)
class Entry:
    """Time spent on a project; negative minutes are a correction."""

    day: date
    project: str
    minutes: int
    note: str = ""


def parse_entry(line: str) -> Entry:
    """Read `2026-03-02  website  1h 30m  landing page`: columns stand two or more spaces apart."""
    columns = [column.strip() for column in line.split("  ") if column.strip()]
    if len(columns) < 3:
        raise ValueError(f"expected a day, a project and a duration, found {line.strip()!r}")
    day, project, duration, *note = columns
    return Entry(
        day=date.fromisoformat(day),
        project=project,
        minutes=parse_duration(duration),
        note=" ".join(note),
    )
