"""What models said in runs, kept so that a later run on the same work can go on with it, for agents' processes."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from conductor.desk import Desk, DeskDep
from conductor.dispatch.chores import is_chore
from conductor.store.writer import connection_of
from conductor.toolbox import tools
from servers.kit.auth import AGENT_ROLES
from servers.kit.database import load_queries
from servers.kit.errors import InvalidInput
from servers.kit.tools import READ, WRITE, Caller, CallerDep, Claim

SQL = load_queries(Path(__file__).with_name("transcripts.sql"))
LARGEST = 2_600_000  # characters of base64

ProviderArg = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$", description="As the character names it")]


class Transcript(BaseModel):
    """What was kept."""

    content: str | None = Field(description="Base64; null where nothing is kept")


@tools.tool(READ, AGENT_ROLES)
async def get_transcript(desk: DeskDep, caller: CallerDep, claim: Claim, provider: ProviderArg) -> Transcript:
    """What you kept last about this work with this provider. For the runtime, not for models."""
    work = await _held(desk, caller, claim)
    async with connection_of(desk.pool) as connection:
        content = await connection.fetchval(SQL["transcript"], work, caller.subject, provider)
    return Transcript(content=base64.b64encode(content).decode() if content else None)


@tools.tool(WRITE, AGENT_ROLES)
async def keep_transcript(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim,
    provider: ProviderArg,
    content: Annotated[str, Field(min_length=1, max_length=LARGEST, description="Base64")],
) -> Transcript:
    """Keep what was said about this work, in place of what was kept before. For the runtime, not for models."""
    try:
        raw = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise InvalidInput(f"The content is not base64 ({error}).") from error
    work = await _held(desk, caller, claim)
    async with connection_of(desk.pool) as connection:
        await connection.execute(SQL["keep_transcript"], work, caller.subject, provider, claim.fence, raw)
    return Transcript(content=None)


async def _held(desk: Desk, caller: Caller, claim: Claim) -> str:
    """The name under which the claimed work is kept.

    Raises:
        Fenced, Superseded: The claim is over.
    """
    await desk.dispatch.check(claim, caller.subject, caller.instance, caller.boot)
    return claim.issue if is_chore(claim) else await desk.dispatch.stream_of(claim.issue)
