"""Reports: totals as people and programs want to read them."""

from collections.abc import Callable

from tally.text_report import as_text

FORMATS: dict[str, Callable[[dict[str, int]], str]] = {
    "text": as_text,
}


def render(totals: dict[str, int], format: str = "text") -> str:
    """The totals in one of the FORMATS."""
    if format not in FORMATS:
        raise ValueError(f"expected one of {', '.join(FORMATS)}, found {format!r}")
    return FORMATS[format](totals)
