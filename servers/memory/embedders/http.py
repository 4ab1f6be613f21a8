"""Embedders behind an HTTP endpoint: OpenAI's form, which most servers speak, and Voyage's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import httpx2

from servers.kit.errors import InvalidInput, RateLimited, Unavailable
from servers.memory.embedders.port import Vector

BATCH = 64
TIMEOUT_SECONDS = 10.0
NOT_TAKEN = {400, 413, 422}


class HttpEmbedder:
    """Asks `url` for the vectors of up to 64 texts at once.

    Args:
        url: The address of the endpoint, such as `https://host/v1/embeddings`.
        key: Sent as a bearer token; empty for none.
        client: What asks, made and closed by the caller.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, model: str, dimension: int, key: str = "") -> None:
        self.model = model
        self.dimension = dimension
        self._client = client
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, in their order.

        Raises:
            Unavailable: The endpoint does not answer, refuses, or answers something else.
            InvalidInput: It does not take one of these texts.
        """
        found: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            found += await self._batch([_sendable(text) for text in texts[start : start + BATCH]])
        return found

    async def _batch(self, texts: list[str]) -> list[Vector]:
        body: dict[str, Any] = {"model": self.model, "input": texts}
        try:
            answer = await self._client.post(self._url, json=body, headers=self._headers, timeout=TIMEOUT_SECONDS)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"The embedding endpoint does not answer ({type(error).__name__}).") from error
        if answer.status_code == 429:
            raise RateLimited("The embedding endpoint's rate limit is reached.")
        if answer.status_code in NOT_TAKEN:
            raise InvalidInput(f"The embedding endpoint answers {answer.status_code}: {answer.text[:200]}")
        if answer.status_code != 200:
            raise Unavailable(f"The embedding endpoint answers {answer.status_code}: {answer.text[:200]}")
        return self._read(answer, len(texts))

    def _read(self, answer: httpx2.Response, wanted: int) -> list[Vector]:
        """Vectors by the index that each carries, for the order is not promised."""
        try:
            rows = sorted(cast(list[dict[str, Any]], answer.json()["data"]), key=lambda row: row["index"])
            vectors = [_unit([float(number) for number in row["embedding"]]) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable("The embedding endpoint answers no embeddings. Is its address whole?") from error
        if len(vectors) != wanted or any(len(vector) != self.dimension for vector in vectors):
            sizes = sorted({len(vector) for vector in vectors})
            raise Unavailable(
                f"The embedding endpoint answers {len(vectors)} vectors of {sizes} numbers for {wanted} texts; "
                f"set memory_embedder_dimension to what {self.model} gives."
            )
        return vectors


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(number * number for number in vector))
    if not math.isfinite(length):
        raise ValueError("not a number")
    return [number / length for number in vector] if length else vector


def _sendable(text: str) -> str:
    """Endpoints refuse empty texts, and half of a surrogate pair has no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8").strip() or "."
