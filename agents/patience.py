"""Waiting for what is away for a moment, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import stamina

from servers.kit.errors import Unavailable
from servers.kit.logs import get

log = get(__name__)
CANCEL_SECONDS = 3.0
T = TypeVar("T")


async def patiently(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` gives, tried again for up to `seconds` while it raises Unavailable."""
    attempts = None if seconds > 0 else 1
    async for retry in stamina.retry_context(
        on=Unavailable, attempts=attempts, timeout=seconds or None, wait_initial=0.2, wait_max=10, wait_jitter=0.2
    ):
        with retry:
            return await attempt()
    raise AssertionError("unreachable")


async def first_of(*works: Coroutine[Any, Any, T], cancel_seconds: float = CANCEL_SECONDS) -> T:
    """The outcome of whichever ends first, in the order given where several do; the others are cancelled.

    What does not end then within `cancel_seconds` is left behind.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(task for task in tasks if task.done())
    finally:
        for task in tasks:
            task.cancel()
        done, behind = await asyncio.wait(tasks, timeout=cancel_seconds)
        for task in done:
            _ = task.cancelled() or task.exception()  # it was seen
        for task in behind:
            log.warning("work does not end though it was told to", work=repr(task.get_coro()))
    return ended.result()
