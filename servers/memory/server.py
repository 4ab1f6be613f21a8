"""The memory server: its tools, and how it is mounted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from servers.kit.claims import ClaimChecker
from servers.kit.client import ToolClient
from servers.kit.database import migrate, open_pool
from servers.kit.serve import Part
from servers.kit.tools import DESTRUCTIVE, READ, WRITE
from servers.memory import stewardship
from servers.memory.arguments import (
    Chars,
    Content,
    Days,
    Id,
    Importance,
    Issue,
    Kinds,
    Limit,
    Repo,
    Source,
    Tags,
    Why,
)
from servers.memory.backfill import Backfill
from servers.memory.drafts import Draft
from servers.memory.embedders.choice import choose
from servers.memory.models import (
    KINDS,
    Forgotten,
    Found,
    Kind,
    Marked,
    Memories,
    Memory,
    Outcome,
    Scope,
    Superseded,
    Written,
)
from servers.memory.outbox import Fact, Outbox
from servers.memory.search import EMPTY
from servers.memory.settings import MemorySettings
from servers.memory.shelf import Shelf
from servers.memory.store import MIGRATIONS, MemoryStore
from servers.memory.toolbox import EVERYBODY, AccessDep, State, tools

__all__ = ["part", "stewardship", "tools"]  # the tools for people are this server's too

SUCH = "Nothing of that kind is remembered here yet."


@tools.tool(WRITE, EVERYBODY)
async def write_memory(
    access: AccessDep,
    content: Content,
    kind: Annotated[Kind, Field(description="What was learned, what was decided, or what went wrong and why")],
    scope: Annotated[Scope, Field(description="global only for what holds in every repository")] = "repo",
    repo: Repo = None,
    importance: Importance = 3,
    tags: Tags | None = None,
    issue: Issue = None,
    source: Source = "",
    expires_in_days: Days = None,
) -> Written:
    """Remember one thing for everybody: a lesson, a decision with its reason, or an error with its cause.

    Write it so that somebody who knows nothing of your work finds and understands it: name files, commands and
    messages literally. The same content again is the same memory. Never write secrets.
    """
    where = await access.writing(repo) if scope == "repo" else ""
    if scope == "global":
        await access.changing()
    draft = Draft(
        content=content,
        author=access.author,
        kind=kind,
        repo=where,
        importance=importance,
        tags=tags or [],
        issue=issue or access.work,
        source=source,
        expires_at=datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None,
    )
    return await access.state.store.write(draft)


@tools.tool(READ, EVERYBODY)
async def read_memories(
    access: AccessDep,
    query: Annotated[
        str, Field(description="A question, words, an identifier or an error message", max_length=20_000)
    ],
    repo: Repo = None,
    kinds: Kinds = None,
    limit: Limit = 8,
    preview_chars: Chars = 400,
    leading: Annotated[bool, Field(description="Also what everybody in this scope should know")] = False,
) -> Found:
    """Find what is remembered of a repository and everywhere, by words and by meaning, best first.

    `relevant` says whether anything fits. Texts are beginnings; get_memory has the whole.
    """
    where = access.reading(repo)
    ranking = await access.state.store.search(query, where, kinds or KINDS, limit)
    shelf = access.state.shelf
    found = await shelf.ranked(ranking.found, preview_chars)
    first = await shelf.leading(where) if leading else []
    if access.state.outbox:
        fact = Fact.read(query, access.author.name, access.work, [one.id for one in [*first, *found]])
        access.state.outbox.note(fact)
    return Found(memories=found, relevant=ranking.relevant, note=ranking.note, leading=first)


@tools.tool(READ, EVERYBODY)
async def get_memory(access: AccessDep, id: Id) -> Memory:
    """Read all of one memory with where it comes from; also one that is superseded or expired."""
    memory = await access.state.shelf.get(id)
    access.require_seen(memory.repo)
    return memory


@tools.tool(READ, EVERYBODY)
async def list_recent(
    access: AccessDep, repo: Repo = None, kinds: Kinds = None, limit: Limit = 20, preview_chars: Chars = 200
) -> Memories:
    """List what was remembered last, newest first."""
    found = await access.state.shelf.recent(access.reading(repo), kinds or KINDS, limit, preview_chars)
    return Memories(memories=found, note="" if found else SUCH if kinds else EMPTY)


@tools.tool(WRITE, EVERYBODY)
async def mark_used(
    access: AccessDep,
    ids: Annotated[list[Id], Field(min_length=1, max_length=50)],
    outcome: Annotated[Outcome, Field(description="helped: you did better for it; misled: it was wrong or outdated")],
    issue: Issue = None,
) -> Marked:
    """Say which memories helped you or misled you. What helps is found sooner; what misleads, later.

    Counted once for each memory and issue; if you say something else later, that counts.
    """
    await access.changing()
    named = access.issue(issue)
    for id in ids:
        access.require_seen((await access.state.shelf.get(id)).repo)
    return await access.state.store.mark_used(ids, outcome, named, access.author)


@tools.tool(WRITE, EVERYBODY)
async def supersede_memory(access: AccessDep, id: Id, content: Content, why: Why) -> Superseded:
    """Replace a memory that is outdated or wrong by a new one of the same scope and kind.

    The old one stays readable under its id. Agents may replace their own and those of low trust.
    """
    await access.changing()
    old = await access.state.shelf.get(id)
    access.require_seen(old.repo)
    draft = Draft(
        content=content,
        author=access.author,
        kind=old.kind,
        repo=old.repo,
        importance=old.importance,
        tags=old.tags,
        issue=access.work or old.issue,
    )
    written = await access.state.store.supersede(id, draft, why)
    return Superseded(id=written.id, superseded=[id])


@tools.tool(DESTRUCTIVE, EVERYBODY)
async def forget_memory(access: AccessDep, id: Id, why: Why) -> Forgotten:
    """Delete what a memory says, for good. Agents may forget their own and those of low trust.

    What a person had forgotten, no agent can write again. Prefer supersede_memory for what changed.
    """
    await access.changing()
    return Forgotten(id=id, forgotten=await access.state.store.forget(id, access.author, why))


def part(settings: MemorySettings, claims: ClaimChecker, conductor: ToolClient | None = None) -> Part:
    """The server as it is mounted.

    Args:
        claims: Decides whether an agent's claim still holds.
        conductor: Is told what happens to memories; nobody is without one.
    """

    @asynccontextmanager
    async def open_state() -> AsyncGenerator[State]:
        url = settings.database_url.get_secret_value()
        async with AsyncExitStack() as stack:
            async with open_pool(url, size=1) as alone:  # whose connection may not know vectors yet
                await migrate(alone, MIGRATIONS, name="memory")
            pool = await stack.enter_async_context(open_pool(url, size=settings.memory_pool_size))
            embedder = await stack.enter_async_context(choose(settings))
            outbox = Outbox(pool, conductor) if conductor else None
            store = MemoryStore(pool, embedder, outbox)
            loops = [Backfill(store).run(), *([outbox.run()] if outbox else [])]
            await stack.enter_async_context(_together(loops))
            yield State(store, Shelf(pool, store.scopes), claims, outbox)

    return Part(tools, open_state, ready=_ready)


@asynccontextmanager
async def _together(loops: Sequence[Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Run loops beside the block; one that dies takes the process with it rather than failing in silence."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _ready(state: State) -> str | None:
    return await state.store.why_not_ready()
