"""Finds sentences of documents that a newer memory says otherwise: the same words, but a no or another number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

ALIKE = 0.6
SHARED = 3
_CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_BORDER = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n\s*(?:[-*+]|\d+\.|#+)\s+")
_WORD = re.compile(r"[a-z][\w./-]*[a-z0-9_]|[a-z]")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)*(?![\w.]*\w)")
_NO = re.compile(r"\b(?:not|never|no|none|without|cannot|neither|nor|disabled?|forbidden|\w+n['’]t)\b", re.IGNORECASE)
_COMMON = frozenset(
    {
        "a", "all", "also", "always", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
        "could", "do", "does", "for", "from", "has", "have", "if", "in", "into", "is", "it", "its", "may", "must",
        "of", "on", "only", "or", "shall", "should", "so", "than", "that", "the", "their", "them", "then", "there",
        "these", "they", "this", "to", "was", "were", "what", "when", "where", "which", "while", "will", "with",
        "you", "your",
    }
)  # fmt: skip


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a memory says, and since when."""

    id: int
    text: str
    written_at: datetime


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a document and the memory that says otherwise."""

    path: str
    sentence: str
    memory: int
    says: str


def contradictions(path: str, document: str, changed_at: datetime, memories: Sequence[Said]) -> list[Contradiction]:
    """Sentences of a document that memories written after its last change say otherwise.

    A heuristic that looks at words only: most of them are the same, but one of both sentences says no, or they give
    different numbers. A person has to judge what it finds; what is put in other words it does not find.
    """
    newer = [memory for memory in memories if memory.written_at > changed_at]
    known = [(memory, said) for memory in newer for said in sentences(memory.text)]
    return [
        Contradiction(path=path, sentence=sentence, memory=memory.id, says=said)
        for sentence in sentences(document)
        for memory, said in known
        if contradict(sentence, said)
    ]


def sentences(text: str) -> Iterator[str]:
    """The sentences and list entries of a text without its blocks of code, each in one line."""
    for part in _BORDER.split(f"\n{_CODE.sub('', text)}"):
        if line := " ".join(part.split()).strip("#-* "):
            yield line


def contradict(one: str, other: str) -> bool:
    """Whether two sentences are about the same, but not both can hold."""
    mine, theirs = _words(one), _words(other)
    shared = mine & theirs
    if len(shared) < SHARED or len(shared) < ALIKE * min(len(mine), len(theirs)):
        return False
    numbers, others = set(_NUMBER.findall(one)), set(_NUMBER.findall(other))
    differ = bool(numbers) and bool(others) and numbers.isdisjoint(others)
    return differ or bool(_NO.search(one)) != bool(_NO.search(other))


def _words(sentence: str) -> set[str]:
    found = _WORD.findall(_NO.sub(" ", sentence.lower()))
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found} - _COMMON
