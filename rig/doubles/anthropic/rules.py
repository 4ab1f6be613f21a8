"""What the API refuses in a request that parses: the order of turns, tool results, cache marks."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Final

from rig.doubles.anthropic.errors import InvalidRequest, NotFound
from rig.doubles.anthropic.request import Block, Message, Prompt

MODELS: Final = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
    "claude-opus-5": "Claude Opus 5",
    "claude-sonnet-5": "Claude Sonnet 5",
    "claude-fable-5-2": "Claude Fable 5.2",
    "claude-fable-5-1": "Claude Fable 5.1",
    "claude-opus-4-8": "Claude Opus 4.8",
    "claude-sonnet-4-6": "Claude Sonnet 4.6",
    "claude-haiku-4-5": "Claude Haiku 4.5",
}
CACHE_MARKS: Final = 4


def check(prompt: Prompt) -> None:
    """Raise the refusal the API would give."""
    known_model(prompt.model)
    unique_tools(prompt)
    cache_marks(prompt)
    turns_in_order(prompt)
    for position, (before, turn) in enumerate(zip([None, *prompt.turns], prompt.turns, strict=False)):
        results_answer_uses(position, before, turn)
    uses_are_answered(prompt.turns)


def known_model(model: str) -> None:
    """Dated and suffixed names (`claude-opus-5-5-20260901`, `…[1m]`) belong to their family."""
    if not any(model == name or model.startswith((f"{name}-20", f"{name}[")) for name in MODELS):
        raise NotFound(f"model: {model}")


def unique_tools(prompt: Prompt) -> None:
    if any(count > 1 for count in Counter(prompt.tool_names).values()):
        raise InvalidRequest("tools: Tool names must be unique.")


def cache_marks(prompt: Prompt) -> None:
    blocks = [block for message in prompt.messages for block in message.blocks]
    marked = [item for item in [*prompt.tools, *prompt.system_blocks, *blocks, prompt] if item.cache_control]
    if len(marked) > CACHE_MARKS:
        raise InvalidRequest(
            f"A maximum of {CACHE_MARKS} blocks with cache_control may be provided. Found {len(marked)}."
        )


def turns_in_order(prompt: Prompt) -> None:
    if prompt.messages[0].role != "user":
        raise InvalidRequest('messages: first message must use the "user" role')
    if prompt.turns[-1].role == "assistant":
        raise InvalidRequest(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    for position, message in enumerate(prompt.messages):
        if not message.content:
            raise InvalidRequest(f"messages.{position}: {message.role} messages must have non-empty content")
        for place, block in enumerate(message.blocks):
            if block.type == "text" and not block.text:
                raise InvalidRequest(
                    f"messages.{position}.content.{place}.text: text content blocks must be non-empty"
                )


def results_answer_uses(position: int, before: Message | None, turn: Message) -> None:
    asked = {block.id for block in before.blocks if block.type == "tool_use"} if before else set[str]()
    for place, block in enumerate(turn.blocks):
        if block.type == "tool_result" and block.tool_use_id not in asked:
            raise InvalidRequest(
                f"messages.{position}.content.{place}: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {block.tool_use_id}. Each `tool_result` block must have a corresponding "
                "`tool_use` block in the previous message."
            )


def uses_are_answered(turns: list[Message]) -> None:
    for position, (turn, after) in enumerate(itertools.pairwise(turns)):
        answered = leading_results(after.blocks)
        missing = [block.id for block in turn.blocks if block.type == "tool_use" and block.id not in answered]
        if missing:
            raise InvalidRequest(
                f"messages.{position}: `tool_use` ids were found without `tool_result` blocks immediately "
                f"after: {', '.join(missing)}. Each `tool_use` block must have a corresponding "
                "`tool_result` block in the next message."
            )


def leading_results(blocks: list[Block]) -> set[str]:
    """Results count only where they come before anything else in the message."""
    found = set[str]()
    for block in blocks:
        if block.type != "tool_result":
            break
        found.add(block.tool_use_id)
    return found
