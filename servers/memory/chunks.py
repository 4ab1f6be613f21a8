"""Splits a long text where its sentences and paragraphs end, for embedders that read only so much."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A model token is about 4 characters of English and 1 of Chinese; 256 of them with room to spare.
LONGEST = 220
OVERLAP = 40
MOST = 64

_PIECE = re.compile(r"\n\s*\n|(?<=[.!?…])\s+|(?<=[。！？])|\n")
_WORD = re.compile(r"\S+\s*")
_WIDE = re.compile(r"[^\x00-\u024f]")


def chunks(text: str, longest: int = LONGEST, overlap: int = OVERLAP) -> list[str]:
    """The text in pieces of at most about `longest` model tokens that overlap; at least one, at most 64.

    What is longer than 64 pieces is cut: its words are still found lexically.
    """
    made: list[str] = []
    held: list[str] = []
    for piece in _pieces(text, longest):
        if held and sum(map(size, held)) + size(piece) > longest:
            made.append("".join(held).strip())
            if len(made) == MOST:
                return made
            held = _tail(held, overlap)
        held.append(piece)
    return [*made, "".join(held).strip()] if held or not made else made


def size(text: str) -> int:
    """About how many model tokens a text has."""
    wide = len(_WIDE.findall(text))
    return 1 + wide + (len(text) - wide) // 4


def _pieces(text: str, longest: int) -> Iterator[str]:
    """Sentences; one that is too long by itself comes in runs of words, a word that is too long in slices."""
    start = 0
    for border in _PIECE.finditer(text):
        yield from _fitting(text[start : border.end()], longest)
        start = border.end()
    yield from _fitting(text[start:], longest)


def _fitting(sentence: str, longest: int) -> Iterator[str]:
    if size(sentence) <= longest:
        yield from [sentence] if sentence.strip() else []
        return
    for word in _WORD.findall(sentence):
        yield from (word[at : at + longest] for at in range(0, len(word), longest))


def _tail(held: list[str], overlap: int) -> list[str]:
    """The last pieces that together stay within the overlap."""
    kept: list[str] = []
    for piece in reversed(held):
        if sum(map(size, kept)) + size(piece) > overlap:
            break
        kept.insert(0, piece)
    return kept
