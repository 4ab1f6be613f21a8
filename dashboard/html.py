"""The small pieces that all parts of the page are made of."""

from __future__ import annotations

from datetime import datetime
from html import escape
from urllib.parse import urlsplit


def moment(at: datetime) -> str:
    """A point in time, as the time of its day."""
    text = at.isoformat(timespec="seconds")
    return f'<time datetime="{text}">{text[11:19]}</time>'


def badge(state: str) -> str:
    """A state, in its colour."""
    return f'<span class="state {escape(state)}">{escape(state.replace("_", " "))}</span>'


def link(url: str, text: str) -> str:
    """A link to another site; of anything but a web address, the text alone."""
    if urlsplit(url).scheme not in ("http", "https"):
        return escape(text)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(text)}</a>'
