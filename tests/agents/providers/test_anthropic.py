"""What only our own loop around the Messages API has to see to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import anthropic
import httpx2

from agents.prices import Prices
from agents.providers.anthropic import AnthropicChat
from servers.kit.character import Llm

STREAM = {"content-type": "text/event-stream"}
SAID: dict[str, Any] = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "m",
    "stop_reason": None,
}


async def test_an_answer_is_paid_for_in_the_middle_of_which_the_run_is_told_to_stop() -> None:
    begun = asyncio.Event()
    api = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=STREAM, content=endless(begun)))
    price = Prices.load().of(Llm().model)
    async with httpx2.AsyncClient(transport=api) as http:
        client = anthropic.AsyncAnthropic(api_key="x", http_client=http, max_retries=0)
        chat = AnthropicChat(client, Llm(), price, 5, "", [])
        asking = asyncio.create_task(chat.send(["Do it."]))
        await begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    lost = chat.lost()
    assert lost is not None
    assert (lost.usage.input_tokens, lost.cost) == (150_000, price.cost(lost.usage))
    assert chat.lost() is None


async def endless(begun: asyncio.Event) -> AsyncGenerator[bytes]:
    yield event("message_start", message={**SAID, "usage": {"input_tokens": 150_000, "output_tokens": 1}})
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    begun.set()  # what was said so far is read
    await asyncio.Event().wait()


def event(kind: str, **said: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()
