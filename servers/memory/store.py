"""What is remembered, in PostgreSQL: written once, superseded or forgotten by those who may, found by `search`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import asyncpg

from servers.kit.database import LOST, Connection, Pool
from servers.kit.errors import Conflict, InvalidInput, NotFound, Unavailable
from servers.memory.drafts import Author, Draft, New, require_right, trust_in
from servers.memory.embedders.port import Embedder
from servers.memory.indexing import SQL, Counts, put_in, take_out, weights
from servers.memory.meaning import Meaning
from servers.memory.models import KINDS, Kind, Marked, Merge, Outcome, Written
from servers.memory.outbox import Fact, Outbox
from servers.memory.renames import SQL as RENAMES
from servers.memory.renames import follow
from servers.memory.scopes import Scopes, require_repo
from servers.memory.search import Ranking, Search
from servers.memory.suspicion import suspicions
from servers.memory.text import digest, quoted

MIGRATIONS = Path(__file__).with_name("migrations")
KEPT = "It was remembered already."


class MemoryStore:
    """The memories of a rig.

    Args:
        embedder: Makes vectors; without one memories are found by their words alone.
        outbox: Carries what happens here to the conductor; without one nobody is told.
    """

    def __init__(self, pool: Pool, embedder: Embedder | None = None, outbox: Outbox | None = None) -> None:
        self.pool = pool
        self.meaning = Meaning(pool, embedder)
        self.scopes = Scopes(pool)
        self.searching = Search(pool, self.meaning)
        self._outbox = outbox

    async def search(
        self, query: str, repo: str | None = None, kinds: Sequence[Kind] = KINDS, limit: int = 10
    ) -> Ranking:
        """The memories that fit `query` best, from `repo` and what holds everywhere; from all without a repo.

        Raises:
            InvalidInput: The query is empty.
            Unavailable: The database is away.
        """
        async with database():
            scopes = await self.scopes.seen_from(repo)
            return await self.searching.find(query, scopes, repo is None, kinds, limit)

    async def write(self, draft: Draft) -> Written:
        """Remember something; the same content in the same scope is one memory.

        Raises:
            InvalidInput, TooLarge: There is no content, or too much.
            Conflict: A person had this very content forgotten, and an agent writes it again.
            Unavailable: The database is away.
        """
        new = await self._new(draft)
        async with self._transaction() as (connection, counts):
            return await self._write(connection, counts, new)

    async def supersede(self, memory: int, draft: Draft, why: str) -> Written:
        """Put `draft` in the place of a memory, which stays readable under its number; one it replaced may return.

        Raises:
            NotFound: There is no such memory.
            Conflict: It was superseded before, already says that, or what says that is superseded by another one.
            Forbidden: It is a trusted memory of somebody else.
        """
        new = await self._new(draft)
        async with self._transaction() as (connection, counts):
            held = await _held(connection, memory)
            require_right(draft.author, held, "supersede")
            if held["superseded_by"] is not None:
                raise Conflict(f"Memory {memory} is superseded by {held['superseded_by']}. Supersede that one.")
            written = await self._write(connection, counts, new, instead=memory)
            if written.id == memory:
                raise Conflict(f"Memory {memory} says just that already.")
            await take_out(connection, counts, held)
            await connection.execute(SQL["retire"], memory, written.id, draft.author.name, why)
            return written

    async def forget(self, memory: int, author: Author, why: str) -> bool:
        """Delete what a memory says; False where it was forgotten before.

        Raises:
            NotFound: There never was such a memory.
            Forbidden: It is a trusted memory of somebody else.
        """
        async with self._transaction() as (connection, counts):
            try:
                held = await _held(connection, memory)
            except NotFound:
                if await connection.fetchval(SQL["is_forgotten"], memory):
                    return False
                raise
            require_right(author, held, "forget")
            await take_out(connection, counts, held)
            grave = (memory, held["scope_id"], held["content_hash"], author.is_steward, author.name, why)
            await connection.execute(SQL["bury"], *grave)
            await connection.execute(SQL["delete_memory"], memory)
            return True

    async def mark_used(self, memories: Sequence[int], outcome: Outcome, issue: str, author: Author) -> Marked:
        """Count that memories helped or misled in work on `issue`: each once per issue, the last word counts.

        Raises:
            NotFound: One of them does not exist; then none is counted.
        """
        marked: list[int] = []
        async with self._transaction() as (connection, counts):
            for memory in sorted(set(memories)):
                held = await _held(connection, memory)
                if held["issue"].lower() == issue.lower() and held["written_by"] == author.name:
                    continue  # what somebody learned here was no help here
                if await connection.fetchval(SQL["mark_use"], memory, issue.lower(), author.name, outcome):
                    await connection.execute(SQL["count_uses"], memory)
                    counts.touch(memory, held["scope_id"])
                    marked.append(memory)
            await self._tell(connection, *(Fact.used(memory, author.name, issue, outcome) for memory in marked))
        return Marked(marked=marked, known=sorted(set(memories) - set(marked)))

    async def merge(self, repo: str, merges: Sequence[Merge], author: Author) -> None:
        """Let memories of a repository stand for their duplicates, whose uses, tags and importance pass on to them.

        Raises:
            InvalidInput: One of them is of another scope, out of use, or its own duplicate; then none is merged.
            NotFound: One of them does not exist; then none is merged.
        """
        async with database():
            scope = await self.scopes.known(repo)
        async with self._transaction() as (connection, counts):
            for merge in merges:
                await self._merge(connection, counts, scope, merge, author)

    async def mark_promoted(self, memory: int, url: str, author: Author) -> bool:
        """Note which document a memory became; False where it had become one before.

        Raises:
            NotFound: There is no such memory.
        """
        async with self._transaction() as (connection, _):
            await _held(connection, memory)
            if not await connection.fetchval(SQL["mark_promoted"], memory, url):
                return False
            await self._tell(connection, Fact.promoted(memory, author.name, url))
            return True

    async def name_repository(self, repository: int, name: str, before: str, author: Author) -> int:
        """Have what is remembered of GitHub's repository with this number follow it to its name; how many moved.

        Raises:
            InvalidInput: The name is not of the form owner/repo.
        """
        require_repo(name)
        async with database():
            scope = await self.scopes.of(name)
            # by itself, for writers take the rows of scopes last
            await self.pool.execute(RENAMES["is_called"], repository, scope, before)
        async with self._transaction() as (connection, counts):
            return await follow(connection, counts, repository, scope, author.name)

    async def why_not_ready(self) -> str | None:
        """None once the database answers, else what it says."""
        try:
            async with database():
                await self.pool.fetchval("SELECT 1")
        except Unavailable as error:
            return str(error)
        return None

    async def _new(self, draft: Draft) -> New:
        """Everything about a draft that can be known before its transaction."""
        text = draft.text
        [meant] = await self.meaning.of_memories([text])
        async with database():
            scope = await self.scopes.of(draft.repo)
        warnings = suspicions("\n".join((text, draft.source, *draft.tags)))
        return New(draft, scope, text, weights(text), warnings, meant)

    async def _write(self, connection: Connection, counts: Counts, new: New, instead: int | None = None) -> Written:
        await _require_not_banned(connection, new)
        draft, trust, hashed = new.draft, trust_in(new.draft.author, new.warnings), digest(new.text)
        added = await connection.fetchval(
            SQL["add_memory"],
            *(new.scope, new.kind, new.text, hashed, draft.importance, list(draft.tags), draft.issue, draft.source),
            *(draft.author.name, draft.author.role, trust, new.warnings, draft.expires_at),
            *(list(new.said), new.model, list(new.said.values()), new.vectors.parts if new.vectors else []),
        )
        if added is None:
            return await self._again(connection, counts, new, instead)
        counts.add(added, new.scope, list(new.said), 1)
        await self._tell(connection, Fact.written(added, draft))
        return Written(id=added, created=True, trust=trust, note=self._without_meaning(new))

    async def _merge(
        self, connection: Connection, counts: Counts, scope: int | None, merge: Merge, author: Author
    ) -> None:
        every = {one: await _held(connection, one) for one in sorted({merge.keep, *merge.drop})}
        if strange := [number for number, one in every.items() if one["scope_id"] != scope]:
            raise InvalidInput(f"Memory {strange[0]} is of another scope. Nothing was merged.")
        if retired := [number for number, one in every.items() if not one["indexed"]]:
            raise InvalidInput(f"Memory {retired[0]} is out of use. Nothing was merged; ask for proposals again.")
        if merge.keep in merge.drop:
            raise InvalidInput(f"Memory {merge.keep} cannot be its own duplicate. Nothing was merged.")
        for number in merge.drop:
            require_right(author, every[number], "supersede")
            await take_out(connection, counts, every[number])
            await connection.execute(SQL["pass_uses_on"], number, merge.keep)
            await connection.execute(SQL["pass_marks_on"], number, merge.keep)
            await connection.execute(SQL["retire"], number, merge.keep, author.name, "a duplicate")
        await connection.execute(SQL["count_uses"], merge.keep)
        counts.touch(merge.keep, every[merge.keep]["scope_id"])

    async def _again(self, connection: Connection, counts: Counts, new: New, instead: int | None) -> Written:
        """The memory that has this content already, in use again if its time was over or it comes back `instead`."""
        known = await connection.fetchrow(SQL["same_content"], new.scope, digest(new.text))
        if known is None:
            raise Conflict("It was forgotten at this very moment. Write it again if it is to be remembered.")
        heir = await connection.fetchval(SQL["heir"], known["id"])
        if heir != known["id"] and instead is None:
            note = f"It was superseded by {heir}; read that one."
            return Written(id=known["id"], created=False, trust=known["trust"], note=note)
        if heir not in (known["id"], instead):
            raise Conflict(f"Memory {known['id']} says just that, and {heir} supersedes it. Say what changed.")
        if not known["indexed"] or _lasts_longer(new.draft.expires_at, known["expires_at"]):
            held = await _held(connection, known["id"])
            await take_out(connection, counts, held)
            await connection.execute(SQL["revive"], known["id"], new.draft.expires_at, list(new.said), new.model)
            await put_in(connection, counts, known["id"], new.scope, held["kind"], new.said, new.vectors)
        return Written(id=known["id"], created=False, trust=known["trust"], note=KEPT)

    def _without_meaning(self, new: New) -> str:
        if new.vectors is not None or not self.meaning.exists:
            return ""
        if not self.meaning.away:
            return "The embedder does not take it, so it is found by its words alone."
        return "The embedder is away, so it is found by its words alone until it is back."

    async def _tell(self, connection: Connection, *facts: Fact) -> None:
        if self._outbox and facts:
            await self._outbox.put(connection, facts)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[tuple[Connection, Counts]]:
        """One transaction, whose counts are written last, for then others wait for them only a moment."""
        counts = Counts()
        async with database(), self.pool.acquire() as connection, connection.transaction():
            yield connection, counts
            await counts.write(connection)
        if self._outbox:
            self._outbox.wake()


@asynccontextmanager
async def database() -> AsyncGenerator[None]:
    """Failures of the database as the rig's own.

    Raises:
        Unavailable: It is away, or two changes stood in each other's way.
    """
    try:
        yield
    except (*LOST, asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError, asyncpg.UndefinedTableError) as error:
        raise Unavailable(f"The memories cannot be reached right now ({error}). Nothing was changed.") from error


async def _held(connection: Connection, memory: int) -> asyncpg.Record:
    held = await connection.fetchrow(SQL["hold_memory"], memory)
    if held is None:
        raise NotFound(f"There is no memory {memory}. read_memories and list_recent show those there are.")
    return held


async def _require_not_banned(connection: Connection, new: New) -> None:
    if new.draft.author.is_steward:
        return
    grave = await connection.fetchrow(SQL["was_forgotten"], new.scope, digest(new.text))
    if grave:
        why = f" ({quoted(grave['why'])})" if grave["why"] else ""
        raise Conflict(f"{grave['forgotten_by']} had this very content forgotten{why}. A person may write it again.")


def _lasts_longer(wanted: datetime | None, known: datetime | None) -> bool:
    return known is not None and (wanted is None or wanted > known)
