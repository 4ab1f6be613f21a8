"""A fresh look at GitHub, never told to an issue that moved on while GitHub was being read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from conductor.handler import Handled, handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.store.writer import Store
from servers.kit.errors import Conflict, Unavailable

ATTEMPTS = 5
Seen = TypeVar("Seen", c.ObserveIssue, c.ObservePullRequest)


async def look(
    store: Store,
    stream: str,
    read: Callable[[Issue], Awaitable[Seen | None]],
    actor: str,
    causation: str | None = None,
) -> tuple[Handled, Seen] | None:
    """Tell the issue of `stream` what `read` sees; None where there is nothing to see.

    What was read before the issue's last event may be older than it, so then it is read again.

    Raises:
        Unavailable: The issue changes faster than GitHub can be read.
    """
    for _ in range(ATTEMPTS):
        version, issue = await store.load(stream)
        seen = await read(issue)
        if seen is None:
            return None
        try:
            return await handle(store, stream, seen, actor, causation, at=version), seen
        except Conflict:
            continue
    raise Unavailable(f"{stream} changes faster than GitHub can be read. Look again.")
