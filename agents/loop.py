"""Our own model loop: query, act, observe, until a result is accepted or a limit is reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agents.conversation import AnyConversation
from agents.prices import ModelPrice
from agents.providers import Answer, ToolResult


class Chat(Protocol):
    """A conversation with a model that remembers itself."""

    @property
    def price(self) -> ModelPrice:
        """What its turns cost."""
        ...

    async def send(self, inputs: Sequence[str | ToolResult]) -> Answer:
        """The model's next turn; a call that failed leaves the conversation as it was.

        Raises:
            Stuck: The model refuses.
            NoModel: Nobody may use it, or it is away for longer than its patience.
            UsageLimited: It is closed until a time that it says.
        """
        ...


async def loop(chat: Chat, conversation: AnyConversation, opening: str, max_tokens: int) -> None:
    """Talk until a result is accepted.

    Args:
        max_tokens: The longest answer.

    Raises:
        BudgetExceeded: A budget has no room for another turn.
        Exception: As `Chat.send` and `Conversation.use`.
    """
    inputs: Sequence[str | ToolResult] = [opening]
    while conversation.result is None:
        await conversation.require_room(chat.price, max_tokens)
        answer = await chat.send(inputs)
        await conversation.count(answer)
        inputs = await conversation.use(answer.uses) if answer.uses else [conversation.nudge()]
