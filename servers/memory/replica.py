"""The two indexes of one scope in this process, as they were at one of its changes."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pgvector import HalfVector

from servers.memory.candidates import Candidate
from servers.memory.ranking import CANDIDATES

ROUGHLY = 150
HIDDEN = 65_535
MEMORY = np.dtype(
    [("id", ">i8"), ("kind", ">i2"), ("importance", ">i2"), ("hits", ">i4"), ("misled", ">i4"), ("expires", ">f8")]
)
POSTING = np.dtype([("memory", ">i8"), ("weight", ">f4")])

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
Places = npt.NDArray[np.intp]
Signs = npt.NDArray[np.uint64]
Records = npt.NDArray[np.void]
Issues = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Replica:
    """What is known of a scope's memories; a memory is known by its place among them.

    Attributes:
        number: The change it is as of.
        memories: As `MEMORY`, in the order of their numbers.
        issues: Which work each comes from.
        postings: What their terms say.
        parts: What they mean; None where no model says so.
        size: About how many bytes all that takes.
    """

    size: int
    number: int
    memories: Records
    issues: Issues
    postings: Postings
    parts: Parts | None

    @property
    def model(self) -> int | None:
        """What the vectors are from."""
        return self.parts.model if self.parts else None

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self.parts.numbers.shape[1] if self.parts else 0

    def view(self, touched: Collection[int], kinds: Collection[int] | None, now: float) -> View:
        """It without those that were `touched` since, are of other kinds, or whose time is over."""
        hidden = self.memories["expires"] <= now
        if touched:
            hidden |= np.isin(self.memories["id"], list(touched))
        if kinds is not None:
            hidden |= ~np.isin(self.memories["kind"], list(kinds))
        return View(self, np.flatnonzero(hidden))


@dataclass(frozen=True)
class View:
    """A replica without what is not to be found in it."""

    replica: Replica
    hidden: Places

    def words(self, gains: Mapping[int, float]) -> Words:
        """What the terms say about each memory."""
        bm25, held = self.replica.postings.say(gains)
        bm25[self.hidden] = 0
        best = smallest(-bm25, CANDIDATES)
        return Words(bm25, held, best[bm25[best] > 0])

    def find(self, words: Words, direction: Direction | None) -> Found:
        """The best by words, and those that are about the nearest in a direction."""
        known, cosine = self.replica, np.full(len(words.bm25), -np.inf, np.float32)
        if known.parts and direction:
            known.parts.compare(direction, words.best, self.hidden, cosine)
        found = cosine > -np.inf
        found[words.best] = True
        places = np.flatnonzero(found)
        return Found(
            known.memories[places], known.issues[places], words.bm25[places], cosine[places], words.held[places]
        )


@dataclass(frozen=True)
class Words:
    """What the terms of a question say about each memory.

    Attributes:
        bm25: 0 for one that is hidden.
        held: The worth of those terms that it has.
        best: The places of the best.
    """

    bm25: Floats
    held: Floats
    best: Places


class Direction:
    """A question's vector, and its signs."""

    def __init__(self, given: HalfVector) -> None:
        vector = given.to_numpy().astype(np.float32)
        self.vector: Floats = vector / np.float32(max(np.linalg.norm(vector), 1e-12))
        self.signs = _signs(vector[None]).T


@dataclass(frozen=True)
class Found:
    """Memories that may answer, with both scores; the cosine is minus infinity for one without a vector."""

    memories: Records
    issues: Issues
    bm25: Floats
    cosine: Floats
    held: Floats

    def candidates(self, words: float, near: float) -> list[Candidate]:
        """Those that have at least one of two scores."""
        chosen = ((self.bm25 >= words) & (self.bm25 > 0)) | (self.cosine >= near)
        known = self.memories[chosen]
        columns = [known[name].tolist() for name in ("id", "importance", "hits", "misled")]
        cosines = [cosine if cosine > -np.inf else None for cosine in self.cosine[chosen].tolist()]
        scores = (self.bm25[chosen].tolist(), cosines, self.held[chosen].tolist())
        return list(map(Candidate, *columns, *scores, self.issues[chosen].tolist()))


@dataclass(frozen=True)
class Postings:
    """Each term's memories, in their order, with what it says about them.

    Attributes:
        count: How many memories there are.
        terms: In their order.
        starts: Where each term's places and weights begin, and the end.
    """

    count: int
    terms: Integers
    starts: Integers
    places: Integers
    weights: Floats

    def say(self, gains: Mapping[int, float]) -> tuple[Floats, Floats]:
        """For each memory its score, and the worth of the terms that it has."""
        bm25, held = np.zeros((2, self.count), np.float32)
        for term, gain in gains.items():
            said = self._said(term)
            places = self.places[said]
            bm25[places] += np.float32(gain) * self.weights[said]
            held[places] += np.float32(gain)
        return bm25, held

    def _said(self, term: int) -> slice:
        at = int(np.searchsorted(self.terms, np.int32(term)))
        known = at < len(self.terms) and self.terms[at] == term
        return slice(int(self.starts[at]), int(self.starts[at + 1])) if known else slice(0, 0)


@dataclass(frozen=True)
class Parts:
    """The vectors of all parts, in the memories' order: by their signs, and in int8 with a scale each.

    Attributes:
        places: Each part's memory.
        starts: Where each memory's parts begin, and the end.
        signs: 64 to a number, those of one part below each other.
    """

    model: int
    places: Integers
    starts: Integers
    signs: Signs
    numbers: npt.NDArray[np.int8]
    scales: Floats

    def compare(self, direction: Direction, also: Places, hidden: Places, cosine: Floats) -> None:
        """Write to their places the best cosines of the memories whose signs differ least, and of others."""
        apart = np.bitwise_count(self.signs ^ direction.signs).sum(axis=0, dtype=np.int32)
        if len(hidden):
            apart[np.isin(self.places, hidden)] = HIDDEN
        rough = smallest(apart, ROUGHLY)
        parts = np.concatenate([rough[apart[rough] < HIDDEN], self._of(also)])
        products = np.einsum("ij,j", self.numbers[parts].astype(np.float32), direction.vector)
        np.maximum.at(cosine, self.places[parts], products * self.scales[parts])

    def _of(self, memories: Places) -> Places:
        """The parts of some memories."""
        starts, counts = self.starts[memories], self.starts[memories + 1] - self.starts[memories]
        skipped = starts - np.cumsum(counts) + counts
        return (np.repeat(skipped, counts) + np.arange(int(counts.sum()))).astype(np.intp)


def _signs(vectors: Floats) -> Signs:
    """64 signs to a number."""
    bits = np.packbits(vectors > 0, axis=1)
    filled = np.zeros((len(vectors), -(-bits.shape[1] // 8) * 8), np.uint8)
    filled[:, : bits.shape[1]] = bits
    return filled.view(np.uint64)


def least(scores: Sequence[Sequence[float] | Floats]) -> float:
    """What the last of the best candidates has; minus infinity if there are not so many."""
    every = np.concatenate(scores)
    return float(np.partition(every, -CANDIDATES)[-CANDIDATES]) if len(every) > CANDIDATES else -np.inf


def smallest(numbers: npt.NDArray[np.number], count: int) -> Places:
    """The places of the smallest numbers, in no order."""
    return np.argpartition(numbers, count)[:count] if len(numbers) > count else np.arange(len(numbers))


class Reading:
    """A replica while it is read, some rows at a time into the room that they need, so that nothing piles up.

    Args:
        memories: Packed as `MEMORY`, in the order of their numbers.
        issues: Which work each comes from.
        postings, parts: How many there will be.
        dimension: How many numbers a vector has.
    """

    def __init__(
        self, number: int, memories: bytes, issues: Sequence[str], postings: int, parts: int, dimension: int
    ) -> None:
        self._number = number
        self._issues = np.array([sys.intern(issue) for issue in issues], np.object_)
        self._memories = np.frombuffer(memories, MEMORY).astype(MEMORY.newbyteorder("="))
        self._terms, self._starts = list[int](), [0]
        self._places, self._weights = np.empty(postings, np.int32), np.empty(postings, np.float32)
        self._owners, self._scales = np.empty(parts, np.int32), np.empty(parts, np.float32)
        self._signs = np.empty((-(-dimension // 64), parts), np.uint64)
        self._numbers = np.empty((parts, dimension), np.int8)
        self._parts = 0

    @property
    def size(self) -> int:
        """About how many bytes it will take."""
        arrays = (self._memories, self._places, self._weights, self._owners, self._scales, self._signs, self._numbers)
        return sum(array.nbytes for array in arrays)

    def say(self, rows: Sequence[Iterable[Any]]) -> None:
        """Terms with what they say, packed as `POSTING`, in their order."""
        said = np.frombuffer(b"".join(packed for _, packed in rows), POSTING)
        at = slice(self._starts[-1], self._starts[-1] + len(said))
        self._places[at], self._weights[at] = self._found(said["memory"]), said["weight"]
        for term, packed in rows:
            self._terms.append(term)
            self._starts.append(self._starts[-1] + len(packed) // POSTING.itemsize)

    def mean(self, rows: Sequence[Iterable[Any]]) -> None:
        """Memories with the vectors of their parts, in their order."""
        vectors = np.array([vector.to_numpy() for _, vector in rows], np.float32)
        largest = np.maximum(np.abs(vectors).max(axis=1), 1e-12)
        at = slice(self._parts, self._parts + len(vectors))
        self._owners[at] = self._found(np.array([memory for memory, _ in rows]))
        self._signs[:, at] = _signs(vectors).T
        self._numbers[at] = np.rint(vectors * (127 / largest)[:, None])
        self._scales[at] = largest / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12) / 127
        self._parts = at.stop

    def done(self, model: int | None) -> Replica:
        """All of it.

        Args:
            model: Whose vectors they were; None if nobody asked for any.
        """
        count = len(self._memories)
        terms, starts = (np.array(numbers, np.int32) for numbers in (self._terms, self._starts))
        postings = Postings(count, terms, starts, self._places, self._weights)
        if model is None:
            return Replica(self.size, self._number, self._memories, self._issues, postings, None)
        starts = np.searchsorted(self._owners, np.arange(count + 1)).astype(np.int32)
        parts = Parts(model, self._owners, starts, self._signs, self._numbers, self._scales)
        return Replica(self.size, self._number, self._memories, self._issues, postings, parts)

    def _found(self, memories: npt.NDArray[np.int64]) -> Places:
        return np.searchsorted(self._memories["id"], memories.astype(np.int64))
