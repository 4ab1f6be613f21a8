"""The Messages API of Anthropic, streamed, with prompt caching."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import anthropic
import httpx2
from anthropic.lib.streaming import AsyncMessageStream
from anthropic.types import Message, MessageParam, ToolParam, ToolUseBlock

from agents.conversation import CUT_OFF, TAKEN, AnyConversation
from agents.errors import NoModel, Stuck, UsageLimited
from agents.loop import loop
from agents.patience import patiently
from agents.prices import ModelPrice
from agents.providers import Answer, ToolResult, ToolSpec, ToolUse, Usage
from agents.providers.limits import UNKNOWN, reset_in_headers, reset_in_text, reset_of, speaks_of_limit
from agents.results import FINISH, GIVE_UP
from agents.transcripts import Kept
from servers.kit.character import Llm
from servers.kit.errors import RateLimited, Unavailable
from servers.kit.logs import get, redact

log = get(__name__)
NAME: Final = "anthropic"
SILENCE_SECONDS = 300
AWAY = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
CLOSED = ("authentication_error", "permission_error", "billing_error", "not_found_error")
NO_CREDIT = "credit balance is too low"
CUT_SHORT = "Your answer reached the limit of tokens, so this call was not made. Make smaller calls."


class AnthropicProvider:
    """One model of the Messages API.

    Args:
        price: What its calls cost.
        patience_seconds: How long the model may be away.
    """

    def __init__(self, llm: Llm, api_key: str, price: ModelPrice, patience_seconds: float) -> None:
        timeout = anthropic.Timeout(SILENCE_SECONDS, connect=10)
        # The SDK would wait as long as the API says, be it hours.
        self._client = anthropic.AsyncAnthropic(api_key=api_key, max_retries=0, timeout=timeout)
        self._llm = llm
        self._price = price
        self._patience = patience_seconds

    @property
    def name(self) -> str:
        """The provider as a character names it."""
        return NAME

    async def work(self, conversation: AnyConversation) -> None:
        """Our own loop around the model; tools are sorted so that the cached prefix stays the same."""
        tools = [_tool(spec) for spec in sorted(conversation.specs, key=lambda spec: spec.name)]
        system = conversation.brief.system
        chat = AnthropicChat(self._client, self._llm, self._price, self._patience, system, tools)
        earlier = chat.resume(await conversation.transcripts.find(self.name))
        async with conversation.kept(self.name, chat.kept):
            try:
                await loop(chat, conversation, conversation.begin(earlier), self._llm.max_tokens)
            finally:
                if lost := chat.lost():
                    await conversation.count_lost(lost)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


class AnthropicChat:
    """A conversation; it grows only by turns that came through whole."""

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        llm: Llm,
        price: ModelPrice,
        patience: float,
        system: str,
        tools: list[ToolParam],
    ) -> None:
        self.price = price
        self._client = client
        self._llm = llm
        self._patience = patience
        self._system = system
        self._tools = tools
        self._messages: list[MessageParam] = []
        self._lost = Usage()

    def resume(self, kept: Kept | None) -> str:
        """Go on with what was said in an earlier run; answers it, or nothing where it cannot be used."""
        if kept is None:
            return ""
        try:
            self._messages = _whole_turns([json.loads(line) for line in kept.lines.split("\n") if line])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("a transcript is damaged; the work starts afresh", reason=str(error)[:200])
            return ""
        return kept.lines if self._messages else ""

    def kept(self) -> Kept | None:
        """What was said, for a later run."""
        lines = "\n".join(json.dumps(message, ensure_ascii=False) for message in self._messages)
        return Kept(session="", lines=lines) if lines else None

    async def send(self, inputs: Sequence[str | ToolResult]) -> Answer:
        """The model's next turn.

        Raises:
            Stuck: It refuses, or its window is full.
            NoModel: The key does not open it, or it is away for too long.
            UsageLimited: A limit is reached that does not end within the patience.
        """
        asked: list[MessageParam] = [*self._messages, {"role": "user", "content": [_block(one) for one in inputs]}]
        try:
            message, problem = await patiently(self._patience, lambda: self._query(asked))
        except RateLimited as error:
            raise UsageLimited(NAME, datetime.now(UTC) + UNKNOWN, str(error)) from error
        except Unavailable as error:
            raise NoModel(f"The model is away: {error}") from error
        self._lost += _usage(message)
        _refuse_dead_ends(message)
        # An answer without content is no turn that the API takes back.
        self._messages = [*asked, _turn(message)] if message.content else asked
        usage, self._lost = self._lost, Usage()
        text = "".join(block.text for block in message.content if block.type == "text")
        return self._answer(text, _uses(message, problem), usage)

    def lost(self) -> Answer | None:
        """What answers cost that did not come through, and that no later one was counted with."""
        usage, self._lost = self._lost, Usage()
        return self._answer("", (), usage) if usage != Usage() else None

    def _answer(self, text: str, uses: tuple[ToolUse, ...], usage: Usage) -> Answer:
        return Answer(text, uses, usage, self.price.cost(usage), self._llm.model, NAME)

    async def _query(self, messages: list[MessageParam]) -> tuple[Message, str]:
        try:
            async with self._client.messages.stream(
                model=self._llm.model,
                max_tokens=self._llm.max_tokens,
                system=self._system,
                tools=self._tools,
                messages=messages,
                cache_control={"type": "ephemeral"},
            ) as stream:
                return await self._whole(stream)
        except (anthropic.APIError, httpx2.HTTPError) as error:
            raise _meaning(error, timedelta(seconds=self._patience)) from error

    async def _whole(self, stream: AsyncMessageStream[None]) -> tuple[Message, str]:
        """The message and what is wrong with the input of its last tool call."""
        problem = ""
        try:
            await stream.until_done()
        except ValueError as error:  # the SDK gives up on a tool input that is no JSON
            problem = f"The input is not valid JSON: {str(error).partition('Error: ')[2] or error}"[:500]
        except BaseException:  # also when the run is told to stop in the middle of it
            self._lose(stream)
            raise
        message = stream.current_message_snapshot
        unreadable = problem and message.content and message.content[-1].type == "tool_use"
        if not unreadable and message.stop_reason is None:
            self._lose(stream)
            raise Unavailable("the stream ended before the answer did")
        if message.stop_reason == "max_tokens":
            problem = CUT_SHORT
        return message, problem

    def _lose(self, stream: AsyncMessageStream[None]) -> None:
        """Count what an answer cost that did not come through."""
        try:
            self._lost += _usage(stream.current_message_snapshot)
        except AssertionError:
            return  # it had not begun


def _tool(spec: ToolSpec) -> ToolParam:
    return {"name": spec.name, "description": spec.description, "input_schema": cast(Any, spec.input_schema)}


def _block(one: str | ToolResult) -> Any:
    if isinstance(one, str):
        return {"type": "text", "text": one}
    return {
        "type": "tool_result",
        "tool_use_id": one.id,
        "content": one.text or "(no output)",
        "is_error": one.is_error,
    }


def _turn(message: Message) -> MessageParam:
    """An answer as it is sent back; plain data, so that it can be kept."""
    return {"role": "assistant", "content": [cast(Any, block.to_dict()) for block in message.content]}


def _whole_turns(messages: list[Any]) -> list[MessageParam]:
    """Kept messages, with an answer to the calls that the last of them asks for."""
    turns = [_kept_turn(one) for one in messages]
    if not turns or turns[0]["role"] != "user":
        return []
    if turns[-1]["role"] == "assistant":
        blocks = cast(list[dict[str, Any]], turns[-1]["content"])
        results = [_block(_outcome(one)) for one in blocks if one["type"] == "tool_use"]
        if results:
            turns.append({"role": "user", "content": results})
    return turns


def _outcome(use: dict[str, Any]) -> ToolResult:
    """What became of the last call of an earlier run."""
    ended = use["name"] in (FINISH, GIVE_UP)
    return ToolResult(use["id"], TAKEN if ended else CUT_OFF, is_error=not ended)


def _kept_turn(said: dict[str, Any]) -> MessageParam:
    if said["role"] not in ("user", "assistant"):
        raise ValueError(f"there is no role {said['role']}")
    return cast(MessageParam, {"role": said["role"], "content": said["content"]})


def _uses(message: Message, problem: str) -> tuple[ToolUse, ...]:
    blocks = [block for block in message.content if isinstance(block, ToolUseBlock)]
    last = message.content[-1] if message.content else None
    return tuple(
        ToolUse(block.id, block.name, cast(dict[str, Any], block.input), problem if block is last else "")
        for block in blocks
    )


def _usage(message: Message) -> Usage:
    said = message.usage
    return Usage(
        said.input_tokens,
        said.output_tokens,
        said.cache_read_input_tokens or 0,
        said.cache_creation_input_tokens or 0,
    )


def _refuse_dead_ends(message: Message) -> None:
    if message.stop_reason == "refusal":
        raise Stuck("model_refused", "The model refuses to work on this.")
    if message.stop_reason == "model_context_window_exceeded":
        raise Stuck("context_window", "The conversation no longer fits into the model's context window.")


def _meaning(error: Exception, patience: timedelta) -> Exception:
    text = redact(str(error))[:500]
    if not isinstance(error, anthropic.APIStatusError):
        return Unavailable(text or type(error).__name__)
    if until := _closed_until(error, text, patience):
        return UsageLimited(NAME, until, text)
    if error.status_code == 429:
        return RateLimited(text)
    if error.type in AWAY or error.status_code in (408, 409) or error.status_code >= 500:
        return Unavailable(text)
    if error.type in CLOSED or error.status_code in (401, 402, 403) or NO_CREDIT in text:
        return NoModel(f"The model's API does not let us in: {text}")
    return Stuck("model_error", f"The model's API refused the request: {text}")


def _closed_until(error: anthropic.APIStatusError, text: str, patience: timedelta) -> datetime | None:
    """The end of a limit that is worth no waiting for."""
    now, limited = datetime.now(UTC), speaks_of_limit(text)
    if not limited and error.status_code not in (402, 429):
        return None
    until = reset_in_headers(error.response.headers, now) or reset_in_text(text, now)
    if until is None:
        return reset_of(text, now) if limited else None
    return until if until - now > patience else None
