"""Invisible marks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servers.github.marks import carries, harmless, marked


@given(st.text(), st.from_regex(r"[a-z][a-z0-9:/#-]{0,30}", fullmatch=True))
def test_what_is_marked_carries_its_mark(body: str, key: str) -> None:
    assert carries(marked(body, key), key)


@given(st.text(), st.text())
def test_a_mark_brought_along_is_harmless(before: str, after: str) -> None:
    assert not carries(harmless(f"{before}<!-- rig:key -->{after}"), "key")
    assert not carries(marked(f"{before}<!-- rig:key -->{after}", "other"), "key")


def test_nothing_carries_no_mark() -> None:
    assert not carries(None, "key")
