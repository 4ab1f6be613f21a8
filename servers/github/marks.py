"""Invisible marks by which the rig finds again what it wrote."""

from __future__ import annotations

_PREFIX = "<!-- rig:"
_DEFUSED = "<!-- rig\u200b:"


def mark(key: str) -> str:
    """The mark of `key`, an HTML comment."""
    return f"{_PREFIX}{key} -->"


def marked(body: str, key: str) -> str:
    """`body` with the mark of `key`, and with marks that it brought along made harmless."""
    return f"{harmless(body)}\n\n{mark(key)}".lstrip()


def harmless(body: str) -> str:
    """`body` in which nothing can be taken for the rig's mark."""
    return body.replace(_PREFIX, _DEFUSED)


def carries(body: str | None, key: str) -> bool:
    """Whether `body` has the mark of `key`."""
    return mark(key) in (body or "")


def has_mark(body: str) -> bool:
    """Whether the rig wrote `body`, whatever the key."""
    return _PREFIX in body
