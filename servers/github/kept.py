"""Answers of GitHub that stay good for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from servers.kit.clock import Clock

T = TypeVar("T")
MOST = 2_000


class Kept:
    """Remembers answers; the oldest go where there are too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    async def get(self, key: Hashable, seconds: float, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer under `key` if it is younger than `seconds`, else a new one; a failure is not kept."""
        known = self._answers.get(key)
        if known and self._clock.monotonic() - known[0] < seconds:
            return known[1]
        answer = await ask()
        self._answers.pop(key, None)
        self._answers[key] = (self._clock.monotonic(), answer)
        while len(self._answers) > MOST:
            del self._answers[next(iter(self._answers))]
        return answer
