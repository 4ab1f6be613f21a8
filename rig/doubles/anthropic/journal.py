"""What the double was asked and what it answered, for tests and the demo to look at."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel

KEPT: Final = 2000
OPENING: Final = 400


class Entry(BaseModel):
    """One call; credentials are never part of it."""

    at: datetime
    path: str
    status: int
    model: str = ""
    stream: bool = False
    messages: int = 0
    tools: list[str] = []
    opening: str = ""
    fault: str | None = None
    text: str = ""
    tool_uses: list[dict[str, Any]] = []
    stop_reason: str = ""
    usage: dict[str, Any] = {}
    error: str | None = None
    headers: dict[str, str] = {}


class Journal:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def add(self, **fields: Any) -> None:
        self._entries.append(Entry(at=datetime.now(UTC), **fields))

    def entries(self) -> list[Entry]:
        return list(self._entries)
