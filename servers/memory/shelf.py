"""Memories as they are shown: previews, all of one, lists, and what is ripe to become a document."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import asyncpg

from servers.kit.database import Pool, load_queries
from servers.kit.errors import NotFound
from servers.memory.drafts import kind_of, number_of
from servers.memory.duplicates import MEANT, Standing, alike_in_words, gathered
from servers.memory.models import Candidate, Kind, Memory, Preview, ProposedMerge
from servers.memory.scopes import Scopes
from servers.memory.search import Ranked
from servers.memory.store import database
from servers.memory.text import fenced, preview, quoted

SQL = load_queries(Path(__file__).with_name("reading.sql"))
LEADING, LEADING_CHARS = 5, 600
COMPARED, PROPOSAL_CHARS = 1_000, 200
Row = asyncpg.Record


class Shelf:
    """Shows the memories of one database."""

    def __init__(self, pool: Pool, scopes: Scopes) -> None:
        self._pool = pool
        self._scopes = scopes

    async def get(self, memory: int) -> Memory:
        """All of one memory, also of one that is superseded or expired.

        Raises:
            NotFound: There is none, or it was forgotten.
        """
        async with database():
            rows = await self._pool.fetch(SQL["memories"], [memory])
            if rows:
                return _whole(rows[0])
            grave = await self._pool.fetchrow(SQL["grave"], memory)
        if grave is None:
            raise NotFound(f"There is no memory {memory}. read_memories and list_recent show those there are.")
        why = f": {quoted(grave['why'])}" if grave["why"] else "."
        raise NotFound(
            f"{grave['forgotten_by']} had memory {memory} forgotten on {grave['forgotten_at']:%Y-%m-%d}{why}"
        )

    async def ranked(self, found: Sequence[Ranked], chars: int) -> list[Preview]:
        """What was found, in its order."""
        scores = {one.id: round(one.score, 4) for one in found}
        return [one.model_copy(update={"score": scores[one.id]}) for one in await self._previews(list(scores), chars)]

    async def recent(self, repo: str | None, kinds: Sequence[Kind], limit: int, chars: int) -> list[Preview]:
        """The newest first."""
        async with database():
            scopes = await self._scopes.seen_from(repo)
            rows = await self._pool.fetch(SQL["recent"], scopes, [number_of(kind) for kind in kinds], limit)
        return await self._previews([row["id"] for row in rows], chars)

    async def leading(self, repo: str | None) -> list[Preview]:
        """The few that everybody who works in `repo` should know: importance 5, and not of low trust."""
        async with database():
            rows = await self._pool.fetch(SQL["leading"], await self._scopes.seen_from(repo), LEADING)
        return await self._previews([row["id"] for row in rows], LEADING_CHARS)

    async def ripe(self, repo: str | None, importance: int, hits: int, limit: int) -> list[Candidate]:
        """Those that have proved themselves, and are no document yet."""
        async with database():
            scopes = await self._scopes.seen_from(repo)
            ripe = [row["id"] for row in await self._pool.fetch(SQL["ripe"], scopes, importance, hits, limit)]
        return [_candidate(row) for row in await self._rows(ripe)]

    async def alike(self, repo: str) -> list[ProposedMerge]:
        """Memories of a repository that say nearly the same, among its newest; empty for what holds everywhere."""
        async with database():
            scope = await self._scopes.known(repo)
            rows = [] if scope is None else await self._pool.fetch(SQL["newest"], scope, COMPARED)
            near = await self._pool.fetch(SQL["alike_in_meaning"], [row["id"] for row in rows], MEANT)
        pairs = await asyncio.to_thread(alike_in_words, {row["id"]: row["terms"] for row in rows})
        pairs |= {(row["one"], row["other"]): row["cosine"] for row in near}
        standings = [Standing(row["id"], row["hits"], row["importance"], row["trust"] != "low") for row in rows]
        texts = {row["id"]: fenced(preview(row["content"], PROPOSAL_CHARS), row["warnings"]) for row in rows}
        return [
            ProposedMerge(keep=keep, drop=drop, likeness=round(likeness, 3), texts=[texts[n] for n in (keep, *drop)])
            for keep, drop, likeness in gathered(pairs, standings)
        ]

    async def _previews(self, memories: Sequence[int], chars: int) -> list[Preview]:
        return [shown(row, chars) for row in await self._rows(memories)]

    async def _rows(self, memories: Sequence[int]) -> list[Row]:
        async with database():
            rows = {row["id"]: row for row in await self._pool.fetch(SQL["memories"], memories)}
        return [rows[memory] for memory in memories if memory in rows]


def shown(row: Row, chars: int) -> Preview:
    """The beginning of a memory."""
    return Preview(
        id=row["id"],
        kind=kind_of(row["kind"]),
        repo=row["repo"],
        importance=row["importance"],
        hits=row["hits"],
        misled=row["misled"],
        trust=row["trust"],
        written_by=row["written_by"],
        written_at=row["written_at"],
        tags=row["tags"],
        text=fenced(preview(row["content"], chars), row["warnings"]),
    )


def _whole(row: Row) -> Memory:
    same = ("id", "repo", "importance", "tags", "issue", "written_by", "role", "written_at", "trust")
    more = ("warnings", "superseded_by", "supersedes", "expires_at", "promoted_url")
    return Memory(
        **{name: row[name] for name in (*same, *more)},
        scope="repo" if row["repo"] else "global",
        kind=kind_of(row["kind"]),
        source=quoted(row["source"]),
        hit_count=row["hits"],
        misled_count=row["misled"],
        state=_state(row),
        retired=": ".join(filter(None, [row["retired_by"], quoted(row["retired_why"])])),
        model=f"{row['model']}, {row['dimension']} dimensions" if row["model"] else "",
        text=fenced(row["content"], row["warnings"]),
    )


def _state(row: Row) -> Literal["current", "superseded", "expired"]:
    if row["superseded_by"] is not None or row["retired_by"]:  # what superseded it may be forgotten since
        return "superseded"
    expired = row["expires_at"] is not None and row["expires_at"] <= datetime.now(UTC)
    return "expired" if expired or row["retired_at"] else "current"


def _candidate(row: Row) -> Candidate:
    same = ("id", "repo", "importance", "hits", "written_by", "issue", "tags", "content")
    return Candidate(**{name: row[name] for name in same}, kind=kind_of(row["kind"]))
