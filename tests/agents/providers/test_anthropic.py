"""What only our own loop around the Messages API has to see to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import anthropic
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from agents.prices import Prices
from agents.providers.anthropic import AnthropicChat
from servers.kit.character import Llm
from tests.agents.stage import served

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

    async def messages(_: Request) -> StreamingResponse:
        return StreamingResponse(endless(begun), media_type="text/event-stream")

    async with served(lambda _: Starlette(routes=[Route("/v1/messages", messages, methods=["POST"])])) as url:
        client = anthropic.AsyncAnthropic(api_key="x", base_url=url, max_retries=0)
        price = Prices.load().of(Llm().model)
        chat = AnthropicChat(client, Llm(), price, 5, "", [])
        asking = asyncio.create_task(chat.send(["Do it."]))
        await begun.wait()
        await asyncio.sleep(0.1)  # until what was said is read
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        lost = chat.lost()
        await client.close()
    assert lost is not None
    assert (lost.usage.input_tokens, lost.cost) == (150_000, price.cost(lost.usage))
    assert chat.lost() is None


async def endless(begun: asyncio.Event) -> AsyncGenerator[bytes]:
    yield event("message_start", message={**SAID, "usage": {"input_tokens": 150_000, "output_tokens": 1}})
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    begun.set()
    await asyncio.sleep(30)


def event(kind: str, **said: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()
