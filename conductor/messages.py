"""Messages between people and agents: kept, passed on to a running agent with its heartbeat, with receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from conductor.store.connection import connection_of
from servers.kit.database import Connection, Pool, load_queries
from servers.kit.tools import Caller, Claim

SQL = load_queries(Path(__file__).with_name("messages.sql"))


class Message(BaseModel):
    """A message to an agent, a person, or whoever has an issue."""

    id: int
    sender: str
    role: str = Field(default="", description="The sender's role")
    to: str = ""
    text: str
    sent_at: datetime
    delivered_at: datetime | None = Field(default=None, description="When a running agent was handed it")
    delivered_to: str | None = Field(default=None, description="Which instance that was")
    read_at: datetime | None = Field(default=None, description="When its model, or whoever it is for, saw it")


async def send(connection: Connection, sender: str, recipient: str, text: str, role: str = "") -> Message:
    """Keep a message for `recipient`: an agent, a person, or an issue as owner/repo#12."""
    return _message(await connection.fetchrow(SQL["send"], sender, role, recipient, text))


async def read(connection: Connection, recipient: str) -> list[Message]:
    """The unread messages of `recipient`, which are read from now on."""
    return _in_order(await connection.fetch(SQL["read"], recipient))


async def sent(pool: Pool, sender: str, limit: int = 50) -> list[Message]:
    """What `sender` sent, newest first, with receipts."""
    async with connection_of(pool) as connection:
        return [_message(row) for row in await connection.fetch(SQL["sent"], sender, limit)]


async def recent(pool: Pool, limit: int = 50) -> list[Message]:
    """What anybody sent, newest first, with receipts."""
    async with connection_of(pool) as connection:
        return [_message(row) for row in await connection.fetch(SQL["recent"], limit)]


async def pass_on(pool: Pool, caller: Caller, claim: Claim | None, seen: Sequence[int]) -> list[Message]:
    """What waits for a running agent, oldest first; `seen` is what its model was shown."""
    if not caller.is_agent:
        return []
    async with connection_of(pool) as connection:
        if seen:
            await connection.execute(SQL["seen"], list(seen), caller.instance, caller.subject)
        if claim is None:
            return []
        return _in_order(await connection.fetch(SQL["pass_on"], caller.subject, caller.instance, claim.issue))


def _in_order(rows: Sequence[Any]) -> list[Message]:
    return sorted(map(_message, rows), key=lambda message: message.id)


def _message(row: Any) -> Message:
    said = dict(row.items())
    return Message.model_validate(said | {"to": said["recipient"], "role": said["sender_role"]})
