"""The Messages API double as a process, and a real SDK client of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anthropic
import pytest

from rig.doubles.anthropic.process import AnthropicDouble, running


@pytest.fixture
async def double() -> AsyncGenerator[AnthropicDouble]:
    async with running("tests.doubles.anthropic.scripts:play") as started:
        yield started


@pytest.fixture
async def client(double: AnthropicDouble) -> AsyncGenerator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=double.url, api_key="sk-ant-test", max_retries=0) as made:
        yield made
