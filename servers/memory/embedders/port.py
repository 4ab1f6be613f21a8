"""What an embedder is: texts become unit vectors, and a model has a name and a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Vector = list[float]


class Embedder(Protocol):
    """Turns texts into vectors of length 1 whose inner product is their cosine.

    Attributes:
        model: The model's name, stored with every vector; vectors of different models are never compared.
        dimension: How many numbers a vector has.
    """

    @property
    def model(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, in their order; a text beyond the model's window is cut (see `chunks`).

        Raises:
            Unavailable: The model cannot be reached or loaded now.
            InvalidInput: It does not take one of these texts; others it may.
        """
        ...
