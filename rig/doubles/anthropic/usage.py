"""Plausible token counts: four characters a token, and a prompt cache that remembers prefixes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from rig.doubles.anthropic.request import Prompt
from rig.doubles.anthropic.script import Turn

CHARACTERS: Final = 4
SMALLEST_PREFIX: Final = 1024
LOOK_BACK: Final = 20
BEHIND_BLOCKS: Final = 4  # what opens the answer stands behind every block, so it is never cached


@dataclass(frozen=True)
class Usage:
    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int

    def wire(self, output_tokens: int | None = None) -> dict[str, Any]:
        written = self.cache_creation_input_tokens
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": self.cache_read_input_tokens,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "output_tokens": self.output_tokens if output_tokens is None else output_tokens,
            "service_tier": "standard",
        }


@dataclass(frozen=True)
class Prefix:
    """Everything of a prompt up to and including one block."""

    digest: str
    tokens: int
    marked: bool


class PromptCache:
    """The prefixes written so far, as one organisation's cache would hold them."""

    def __init__(self) -> None:
        self._known = set[str]()

    def use(self, prompt: Prompt, turn: Turn) -> Usage:
        prefixes = list(prefixes_of(prompt))
        total = prefixes[-1].tokens + BEHIND_BLOCKS
        written = self._last_mark(prefixes)
        read = self._longest_known(prefixes, written)
        self._known |= {one.digest for one in prefixes[: written + 1] if one.marked}
        to_write = prefixes[written].tokens if written >= 0 else 0
        return Usage(total - max(to_write, read), max(to_write - read, 0), read, output_tokens(turn))

    @staticmethod
    def _last_mark(prefixes: list[Prefix]) -> int:
        marks = [n for n, one in enumerate(prefixes) if one.marked and one.tokens >= SMALLEST_PREFIX]
        return marks[-1] if marks else -1

    def _longest_known(self, prefixes: list[Prefix], last: int) -> int:
        reach = set[int]()
        for position, one in enumerate(prefixes[: last + 1]):
            if one.marked:
                reach |= set(range(max(0, position - LOOK_BACK), position + 1))
        return max((prefixes[n].tokens for n in reach if prefixes[n].digest in self._known), default=0)


def prefixes_of(prompt: Prompt) -> Iterator[Prefix]:
    """Tools, then system, then messages: the order in which the API caches."""
    items: list[BaseModel] = [*prompt.tools, *prompt.system_blocks]
    items += [block for message in prompt.messages for block in message.blocks]
    digest = hashlib.sha256(prompt.model.encode())
    characters = 0
    for position, item in enumerate(items):
        content = item.model_dump(exclude={"cache_control"}, exclude_unset=True)
        text = json.dumps(content, sort_keys=True, default=str)
        digest.update(text.encode())
        characters += len(text)
        last = position == len(items) - 1
        marked = getattr(item, "cache_control", None) or (last and prompt.cache_control)
        yield Prefix(digest.hexdigest(), -(-characters // CHARACTERS), bool(marked))


def input_tokens(prompt: Prompt) -> int:
    return list(prefixes_of(prompt))[-1].tokens + BEHIND_BLOCKS


def output_tokens(turn: Turn) -> int:
    said = len(turn.text) + sum(len(one.name) + len(json.dumps(one.input)) for one in turn.tool_uses)
    return max(1, -(-said // CHARACTERS))
