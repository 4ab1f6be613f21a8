"""Puts memories into the two indexes and takes them out again; no two writers ever wait for each other."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from servers.kit.database import Connection, load_queries
from servers.memory.meaning import Vectors
from servers.memory.ranking import impacts
from servers.memory.tokens import terms

SQL = load_queries(Path(__file__).with_name("memory.sql"))
Weights = Mapping[int, float]


def term_id(term: str) -> int:
    """A term's number in the index: 32 bits with a sign; two terms rarely share one, which does little harm."""
    number = zlib.crc32(term.encode())
    return number - 2**32 if number >= 2**31 else number


def weights(content: str) -> dict[int, float]:
    """What each term says about a text."""
    return {term_id(term): weight for term, weight in impacts(terms(content)).items()}


@dataclass
class Counts:
    """What a transaction changes in its scopes, which it writes last and all at once.

    Attributes:
        terms: By how much more often a term stands in a scope.
        documents: By how many memories a scope has more.
        touched: Which memories of a scope are not what they were.
    """

    terms: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    documents: Counter[int] = field(default_factory=Counter[int])
    touched: dict[int, set[int]] = field(default_factory=dict[int, set[int]])

    def add(self, memory: int, scope: int, words: Sequence[int], by: int) -> None:
        """Count a memory of `scope` in or out."""
        for term in words:
            self.terms[term, scope] += by
        self.documents[scope] += by
        self.touch(memory, scope)

    def touch(self, memory: int, scope: int) -> None:
        """Note that a memory changed; everything that a search shows or ranks by counts."""
        self.touched.setdefault(scope, set()).add(memory)

    async def write(self, connection: Connection) -> None:
        """Write the changes, every writer in the same order."""
        changed = [(term, scope, by) for (term, scope), by in self.terms.items() if by]
        if changed:
            await connection.execute(SQL["count_terms"], *map(list, zip(*changed, strict=True)))
        for scope, memories in sorted(self.touched.items()):
            await connection.execute(SQL["count_change"], scope, self.documents[scope], list(memories))


async def put_in(
    connection: Connection, counts: Counts, memory: int, scope: int, kind: int, said: Weights, vectors: Vectors | None
) -> None:
    """Have a memory be found by what its terms say and, if they are known, by its vectors."""
    numbers = list(said)
    await connection.execute(SQL["add_postings"], scope, memory, kind, numbers, list(said.values()))
    if vectors:
        await connection.execute(SQL["add_vectors"], memory, vectors.model, scope, kind, vectors.parts)
    counts.add(memory, scope, numbers, 1)


async def take_out(connection: Connection, counts: Counts, held: asyncpg.Record) -> None:
    """Have a held memory be found by nothing but its number."""
    if not held["indexed"]:
        return
    await connection.execute(SQL["drop_postings"], held["scope_id"], held["terms"], held["id"])
    await connection.execute(SQL["drop_vectors"], held["id"])
    counts.add(held["id"], held["scope_id"], held["terms"], -1)
