"""A message reaches the model of a running agent, and its reading reaches the conductor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from agents.conversation import Brief, Conversation
from agents.providers import ToolUse
from agents.results import FINISH, DevResult
from agents.steering import UNREAD, Inbox
from agents.toolbelt import Toolbelt
from rig.doubles.anthropic.script import Play, say, use
from tests.agents.stage import Stage
from tests.agents.test_parking import FINISH as FINISHED
from tests.agents.test_parking import WHOLE, write

RESULT: dict[str, Any] = {"title": "fix: double the number", "summary": "It added one too many."}
LETTER: dict[str, Any] = {
    "id": 7, "sender": "ada", "role": "person", "text": "Say it in NOTES.md, too.", "sent_at": "2026-11-20T17:00:00Z",
}  # fmt: skip


async def test_a_message_stands_at_the_end_of_the_next_tools_answer_and_is_read(stage: Stage) -> None:
    def play() -> Play:
        (yield say("", write(WHOLE))).only.ok()
        while "Say it in NOTES.md, too." not in (yield say("", use("mcp__workspace__list_files"))).only.ok():
            pass
        (yield say("", write("Doubled.\n", "NOTES.md"))).only.ok()
        yield say("", FINISHED)

    stage.script(play)
    stage.offer()
    running = asyncio.create_task(stage.run(stage.character(turns=1000)))
    await stage.conductor.heard("TOKEN_USAGE", times=2)
    stage.conductor.letters.append(LETTER)
    assert await running == 0
    assert stage.conductor.read == [7]
    assert "Messages: while you work, people may write to you." in stage.opening()
    assert stage.conductor.facts()[-1] == "complete_assignment"


async def test_a_result_is_not_taken_over_the_head_of_a_message() -> None:
    async def accept(_: DevResult) -> None:
        """Whatever comes is fine."""

    inbox, nothing = Inbox(), cast(Any, None)
    brief = Brief("", "", Path())
    conversation = Conversation(brief, Toolbelt(nothing, []), nothing, DevResult, accept, inbox=inbox)
    inbox.put([LETTER])
    (refused,) = await conversation.use([ToolUse("1", FINISH, RESULT)])
    assert conversation.result is None
    assert refused.text.startswith(f"{UNREAD}\n\n<message-{inbox.nonce}")
    assert inbox.shown == [7]
    await conversation.use([ToolUse("2", FINISH, RESULT)])
    assert conversation.result == DevResult(**RESULT)
