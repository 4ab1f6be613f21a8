"""What the conductor does for what is remembered: it follows renamed repositories, and is looked through weekly."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from conductor import comments
from conductor.drift import Contradiction, Said, contradictions
from conductor.github import rows
from servers.kit.client import ToolClient
from servers.kit.clock import Clock, SystemClock
from servers.kit.database import Pool, load_queries
from servers.kit.errors import RigError, Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("memories.sql"))
FOLDER = "docs/learnings"
FOLDERS = ("", "docs", FOLDER)
DOCUMENTS, NEWEST, LONGEST, RIPEST = 60, 50, 4_000, 200
FIRST_SECONDS, AGAIN_SECONDS, WEEK_SECONDS = 600.0, 3600.0, 7 * 24 * 3600.0
NAMES_SECONDS = 60.0
_FENCED = re.compile(r"\A<memory-([0-9a-f]+)>\n(.*)\n</memory-\1>\Z", re.DOTALL)
log = get(__name__)


class Ripe(msgspec.Struct, frozen=True, kw_only=True):
    """A memory that proved itself."""

    id: int
    repo: str
    kind: str
    importance: int
    hits: int
    written_by: str
    content: str
    issue: str = ""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the main branch, and when it changed last."""

    path: str
    content: str
    changed_at: datetime


class Memories(Protocol):
    """What the lint asks of the memory server."""

    async def ripe(self, repository: str | None) -> list[Ripe]: ...
    async def promoted(self, memory: int, url: str) -> None: ...
    async def newest(self, repository: str) -> list[Said]: ...


class Documents(Protocol):
    """What the lint asks of GitHub; every write looks before it acts."""

    async def list(self, repository: str, folder: str) -> list[str]: ...
    async def read(self, repository: str, path: str) -> Document: ...
    async def proposed(self, repository: str, branch: str) -> str | None: ...
    async def propose(self, repository: str, branch: str, path: str, content: str, title: str, body: str) -> str: ...
    async def report(self, repository: str, title: str, body: str, key: str) -> None: ...


class Lint:
    """Promotes what proved itself, once, and reports documents that say otherwise than newer memories.

    Args:
        repositories: Those that the rig may write to; empty: all.
    """

    def __init__(
        self, memories: Memories, documents: Documents, repositories: Sequence[str], clock: Clock | None = None
    ) -> None:
        self._memories = memories
        self._documents = documents
        self._repositories = list(repositories)
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        """Look some minutes after the start and then weekly, for ever; sooner again where a server did not help."""
        await self._clock.sleep(FIRST_SECONDS)
        while True:
            try:
                await self.promote()
                await self.compare()
            except RigError as error:
                log.warning("the lint of what is remembered waits", reason=str(error))
                await self._clock.sleep(AGAIN_SECONDS)
                continue
            await self._clock.sleep(WEEK_SECONDS)

    async def promote(self) -> int:
        """Open a pull request for each memory that proved itself; how many became documents.

        Whatever breaks off in between is taken up by the next look: the branch names the memory, and one that ever
        had a pull request, open or closed, gets no other.
        """
        done = 0
        for memory in [one for where in self._repositories or [None] for one in await self._memories.ripe(where)]:
            try:
                await self._memories.promoted(memory.id, await self._promote(memory))
            except Unavailable:
                raise
            except RigError as error:
                log.warning("a memory could not be promoted", memory=memory.id, reason=str(error))
                continue
            done += 1
        return done

    async def _promote(self, memory: Ripe) -> str:
        branch = f"docs/learning-{memory.id}"
        if url := await self._documents.proposed(memory.repo, branch):
            return url
        path = f"{FOLDER}/{memory.id}-{_slug(memory.content)}.md"
        title, text = comments.learning_title(memory.id, memory.content), comments.learning(memory)
        body = comments.learning_proposal(memory.id, memory.importance, memory.hits)
        return await self._documents.propose(memory.repo, branch, path, text, title, body)

    async def compare(self) -> int:
        """Report the documents of each repository that newer memories contradict, once; how many contradictions."""
        found = 0
        for repository in self._repositories:
            try:
                found += await self._compared(repository)
            except Unavailable:
                raise
            except RigError as error:
                log.warning("documents could not be compared", repository=repository, reason=str(error))
        return found

    async def _compared(self, repository: str) -> int:
        contradicted = await self._contradicted(repository)
        if contradicted:
            title, body = comments.DRIFT, comments.drift(contradicted)
            await self._documents.report(repository, title, body, f"memory-drift-{_digest(contradicted)}")
        return len(contradicted)

    async def _contradicted(self, repository: str) -> list[Contradiction]:
        memories = await self._memories.newest(repository)
        if not memories:
            return []
        paths = [path for folder in FOLDERS for path in await self._documents.list(repository, folder)]
        documents = [await self._documents.read(repository, path) for path in paths[:DOCUMENTS]]
        return [one for doc in documents for one in contradictions(doc.path, doc.content, doc.changed_at, memories)]


def _slug(content: str) -> str:
    words = re.findall(r"[a-z0-9]+", content.lower())[:6]
    return "-".join(words)[:60].strip("-") or "learning"


def _digest(found: Sequence[Contradiction]) -> str:
    said = sorted(f"{one.path}\0{one.sentence}\0{one.memory}" for one in found)
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


class Names:
    """Tells the memory server what repositories are called, so that what is remembered of one follows its name.

    It tells all of them again and again: nothing is lost where one of both was away, and what was still written under
    an old name follows later.
    """

    def __init__(self, pool: Pool, memories: MemoryServer, clock: Clock | None = None) -> None:
        self._pool = pool
        self._memories = memories
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        """Tell them now and then, for ever."""
        while True:
            try:
                await self.tell()
            except RigError as error:
                log.info("the memory server was not told what repositories are called", reason=str(error))
            await self._clock.sleep(NAMES_SECONDS)

    async def tell(self) -> int:
        """Tell them once; how many memories followed."""
        moved = 0
        for row in await self._pool.fetch(SQL["names"]):
            moved += (followed := await self._memories.called(row["id"], row["name"], row["enrolled"]))
            if followed:
                log.warning("memories follow a repository to its new name", now=row["name"], memories=followed)
        return moved


class MemoryServer:
    """The memory server over MCP."""

    def __init__(self, client: ToolClient) -> None:
        self._client = client

    async def ripe(self, repository: str | None) -> list[Ripe]:
        asked = {"repo": repository, "limit": RIPEST}
        return msgspec.convert(rows(await self._client.call("promotion_candidates", asked)), list[Ripe])

    async def promoted(self, memory: int, url: str) -> None:
        await self._client.call("mark_promoted", {"id": memory, "url": url})

    async def called(self, repository: int, name: str, before: str) -> int:
        asked = {"id": repository, "name": name, "before": before}
        return int((await self._client.call("name_repository", asked))["moved"])

    async def newest(self, repository: str) -> list[Said]:
        asked = {"repo": repository, "limit": NEWEST, "preview_chars": LONGEST}
        answer = await self._client.call("list_recent", asked)
        return [_said(one, fenced[2]) for one in answer["memories"] if (fenced := _FENCED.match(one["text"]))]


def _said(memory: dict[str, Any], text: str) -> Said:
    return Said(id=memory["id"], text=text, written_at=datetime.fromisoformat(memory["written_at"]))


class DocumentServer:
    """Documents on GitHub, over MCP."""

    def __init__(self, client: ToolClient) -> None:
        self._client = client

    async def list(self, repository: str, folder: str) -> list[str]:
        asked = {"repository": repository} | ({"folder": folder} if folder else {})
        return list((await self._client.call("list_documents", asked))["paths"])

    async def read(self, repository: str, path: str) -> Document:
        answer = await self._client.call("get_document", {"repository": repository, "path": path})
        return msgspec.convert(answer, Document)

    async def proposed(self, repository: str, branch: str) -> str | None:
        asked = {"repository": repository, "head": branch, "state": "all"}
        return next((pull["url"] for pull in rows(await self._client.call("list_pull_requests", asked))), None)

    async def propose(self, repository: str, branch: str, path: str, content: str, title: str, body: str) -> str:
        about = {"repository": repository}
        base = (await self._client.call("get_repository", about))["default_branch"]
        said = {"branch": branch, "path": path, "content": content, "message": title}
        await self._client.call("commit_document", about | said)
        pull = {"head": branch, "base": base, "title": title, "body": body}
        return str((await self._client.call("open_pull_request", about | pull))["url"])

    async def report(self, repository: str, title: str, body: str, key: str) -> None:
        said = {"repository": repository, "title": title, "body": body, "key": key}
        await self._client.call("create_issue", said)
