"""The report for a terminal: one line a group, in columns."""

from tally.durations import format_duration


def as_text(totals: dict[str, int]) -> str:
    """Names to the left, durations to the right."""
    width = max((len(name) for name in totals), default=0)
    lines = [f"{name:<{width}}  {format_duration(minutes):>8}" for name, minutes in totals.items()]
    return "\n".join(lines)
