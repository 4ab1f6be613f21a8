"""Bounded waiting for what another thread, task or process does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

Eventually = Callable[[Callable[[], object | Awaitable[object]]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition, awaited if need be, holds; fails after 15 seconds."""

    async def wait(condition: Callable[[], object | Awaitable[object]]) -> None:
        async with asyncio.timeout(15):
            while not await _value(condition()):  # noqa: ASYNC110 - what is waited for may be outside this process
                await asyncio.sleep(0.01)

    return wait


async def _value(answer: object | Awaitable[object]) -> object:
    return await cast(Awaitable[object], answer) if isinstance(answer, Awaitable) else answer
