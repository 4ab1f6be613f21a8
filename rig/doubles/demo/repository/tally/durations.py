"""Durations: written for people, kept in whole minutes."""

import re

WRITTEN = re.compile(r"(?P<sign>-?)(?:(?P<hours>\d+)h)?\s*(?:(?P<minutes>\d+)m)?")


def parse_duration(text: str) -> int:
    """Minutes in `1h 30m`, `2h`, `45m` or, for a correction, `-15m`."""
    written = text.strip()
    found = WRITTEN.fullmatch(written)
    if not found or not (found["hours"] or found["minutes"]):
        raise ValueError(f"expected a duration such as 1h 30m, found {text!r}")
    minutes = int(found["hours"] or 0) * 60 + int(found["minutes"] or 0)
    return -minutes if found["sign"] else minutes


def format_duration(minutes: int) -> str:
    """Hours with one decimal: `2.5 h`."""
    return f"{minutes / 60:.1f} h"
