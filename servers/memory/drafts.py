"""A memory before it is one, and who may change one that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from servers.kit.errors import Forbidden, InvalidInput, TooLarge
from servers.memory.indexing import Weights
from servers.memory.meaning import Vectors
from servers.memory.models import KINDS, Kind, Trust
from servers.memory.text import LONGEST, storable

STEWARDS = ("person", "ops", "service")


@dataclass(frozen=True)
class Author:
    """Who acts, as the token says."""

    name: str
    role: str

    @property
    def is_steward(self) -> bool:
        """People and the conductor answer for what is remembered; agents only for what they wrote themselves."""
        return self.role in STEWARDS


@dataclass(frozen=True)
class Draft:
    """What somebody wants to be remembered.

    Attributes:
        repo: Where it holds, as owner/repo; empty: everywhere.
        issue: The work it comes from.
        source: Where its writer learned it.
    """

    content: str
    author: Author
    kind: Kind = "learning"
    repo: str = ""
    importance: int = 3
    tags: Sequence[str] = ()
    issue: str = ""
    source: str = ""
    expires_at: datetime | None = None

    @property
    def text(self) -> str:
        """The content as it is stored.

        Raises:
            InvalidInput: There is none.
            TooLarge: It is longer than a memory may be.
        """
        text = storable(self.content).strip()
        if not text:
            raise InvalidInput("A memory needs content: one lesson, decision or error, in words of its own.")
        if len(text) > LONGEST:
            raise TooLarge(
                f"The content has {len(text):,} characters; a memory has at most {LONGEST:,}. Nothing was stored. "
                "Write down what is to be learned from it, and say in `source` where the rest is."
            )
        return text


@dataclass(frozen=True)
class New:
    """A draft with all that its text says about it.

    Attributes:
        said: What each of its terms says.
        vectors: None where the embedder is away or there is none.
    """

    draft: Draft
    scope: int
    text: str
    said: Weights
    warnings: list[str]
    vectors: Vectors | None

    @property
    def kind(self) -> int:
        return number_of(self.draft.kind)

    @property
    def model(self) -> int | None:
        return self.vectors.model if self.vectors else None


def number_of(kind: Kind) -> int:
    """The number under which a kind is stored."""
    return KINDS.index(kind) + 1


def kind_of(number: int) -> Kind:
    """The kind that is stored under a number."""
    return KINDS[number - 1]


def trust_in(author: Author, warnings: Sequence[str]) -> Trust:
    """How far a memory is to be believed."""
    if warnings:
        return "low"
    return "high" if author.is_steward else "normal"


def require_right(author: Author, held: asyncpg.Record, act: str) -> None:
    """Refuse to `act` on a trusted memory of somebody else.

    Raises:
        Forbidden: The author is an agent, the memory another one's, and not of low trust.
    """
    if author.is_steward or held["written_by"] == author.name or held["trust"] == "low":
        return
    raise Forbidden(
        f"Memory {held['id']} is {held['written_by']}'s; an agent may {act} its own and those of low trust. "
        "Mark it as misled if it led you astray, and write down what you found instead."
    )
