"""Does in the world what events ask for: at least once, each lane in order, looking before it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from conductor import commands as c
from conductor.comments import STATUS_CONTEXT, squash_message, squash_title
from conductor.events import Comment
from conductor.gate import Merge, Policy, gate
from conductor.github import GitHub
from conductor.handler import handle
from conductor.issue import Issue
from conductor.look import look
from conductor.snapshot import Snapshot
from conductor.store import EFFECTS, Store, connection_of
from conductor.text import storable
from servers.kit.database import load_queries
from servers.kit.errors import NotFound, Refused, RigError, Unavailable
from servers.kit.logs import get

SQL = load_queries(Path(__file__).with_name("effects.sql"))
LEASE_SECONDS = 120
MAX_ATTEMPTS = 25
MAX_BACKOFF_SECONDS = 60
log = get(__name__)


@dataclass(frozen=True)
class Due:
    """An effect that is being done; `key` is the same at every attempt."""

    id: int
    key: str
    stream: str
    kind: str
    data: dict[str, Any]
    attempts: int


class Effects:
    """Works off the effects table; several processes may do so at once."""

    def __init__(
        self, store: Store, github: GitHub, policy: Policy, concurrency: int = 4, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.store = store
        self.github = github
        self.policy = policy
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds

    async def release(self) -> None:
        """Take back what a killed process was doing; only where no other process can be at it."""
        await self.store.persist(SQL["release"])

    async def run(self) -> None:
        """Do effects for ever; a slow one holds up its lane and nothing else."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._work_on())

    async def _work_on(self) -> None:
        while True:
            seen = self.store.wake.count(EFFECTS)
            try:
                if await self.work(1):
                    continue
                pause = await self._until_next()
            except Unavailable as error:
                log.warning("effects wait for the database", error=str(error))
                pause = 0.5
            await self.store.wake.wait(EFFECTS, pause, seen)

    async def work(self, limit: int = 100) -> int:
        """Do what is due now, at most `limit` effects; how many there were."""
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["lease"], limit, self._lease_seconds)
        await asyncio.gather(*(self._do(Due(**dict(row.items()))) for row in rows))
        return len(rows)

    async def _until_next(self) -> float:
        async with connection_of(self.store.pool) as connection:
            seconds = await connection.fetchval(SQL["next_due"])
        return 5.0 if seconds is None else min(max(seconds, 0.05), 5.0)

    async def _do(self, due: Due) -> None:
        try:
            async with asyncio.timeout(self._lease_seconds * 0.9):  # nobody else may do it meanwhile
                await self._handle(due)
        except (Unavailable, TimeoutError) as error:
            await self._put_off(due, str(error) or "It took too long.")
        except RigError as error:
            await self._give_up(due, str(error))
        except Exception as error:
            log.exception("effect failed", effect=due.kind, key=due.key)
            await self._give_up(due, f"{type(error).__name__}: {error}")
        else:
            await self._set("finish", due.id, "done", None)

    async def _handle(self, due: Due) -> None:
        handler = HANDLERS.get(due.kind)
        if handler is None:
            raise Unavailable(f"This version of the rig does not know how to {due.kind}; a newer one does.")
        _, issue = await self.store.load(due.stream)
        await handler(self, due, issue)

    async def _put_off(self, due: Due, error: str) -> None:
        if due.attempts >= MAX_ATTEMPTS:
            await self._give_up(due, error)
            return
        seconds = min(0.5 * 2 ** (due.attempts - 1), MAX_BACKOFF_SECONDS)
        log.info("effect put off", effect=due.kind, key=due.key, error=error, seconds=seconds)
        await self._set("postpone", due.id, seconds, storable(error))

    async def _give_up(self, due: Due, error: str) -> None:
        log.warning("effect given up", effect=due.kind, key=due.key, error=error)
        failed = c.RecordEffectFailed(due.kind, storable(error))
        try:
            with suppress(Refused):
                await handle(self.store, due.stream, failed, "conductor", due.key)
            await self._set("finish", due.id, "failed", failed.error)
        except Unavailable as away:
            await self._set("postpone", due.id, 1.0, str(away))

    async def _set(self, query: str, *arguments: Any) -> None:
        await self.store.persist(SQL[query], *arguments)

    # What each kind does.

    async def look_now(self, stream: str) -> None:
        """Look at an issue's pull request at once, because somebody asks."""
        _, issue = await self.store.load(stream)
        await self.look(Due(0, "asked", stream, "look", {}, 1), issue)

    async def look(self, due: Due, issue: Issue) -> None:
        """Read the pull request and tell the issue what is new; decides the merge gate on the way."""
        looked = await look(self.store, due.stream, self._read_pull, "conductor", due.key)
        if looked is None:
            return
        after, pull = looked[0].issue, looked[1].pull
        if after.status == "ready_to_merge" and pull.state == "open" and pull.mergeable == "unknown":
            raise Unavailable("GitHub has not yet said whether the pull request can be merged.")

    async def _read_pull(self, issue: Issue) -> c.ObservePullRequest | None:
        number = await self._pull_number(issue)
        if number is None:
            return None
        try:
            return c.ObservePullRequest(await self.github.snapshot(issue.repository, number), self.policy)
        except NotFound as error:  # GitHub shows what is new a little later than it takes it
            raise Unavailable(str(error)) from error

    async def _pull_number(self, issue: Issue) -> int | None:
        if issue.pull_request:
            return issue.pull_request.number
        return await self.github.pull_of_branch(issue.repository, issue.branch) if issue.branch else None

    async def post_review(self, due: Due, issue: Issue) -> None:
        if issue.pull_request is None:
            return
        remarks = msgspec.convert(due.data["comments"], list[Comment])
        await self.github.post_review(
            issue.repository,
            issue.pull_request.number,
            due.data["head"],
            due.data["verdict"],
            due.data["body"],
            remarks,
            due.key,
        )

    async def resolve_threads(self, due: Due, issue: Issue) -> None:
        """Resolve the rig's own remarks, which the reviewer has just found answered."""
        if issue.pull_request is None:
            return
        pull = await self.github.snapshot(issue.repository, issue.pull_request.number)
        for thread in pull.threads:
            if thread.ours and not thread.resolved:
                await self.github.resolve_thread(issue.repository, thread.id)

    async def set_status(self, due: Due, issue: Issue) -> None:
        await self.github.set_status(
            issue.repository, due.data["head"], STATUS_CONTEXT, due.data["state"], due.data["description"]
        )

    async def comment(self, due: Due, issue: Issue) -> None:
        await self.github.comment(issue.repository, issue.number, due.data["body"], due.key)

    async def merge(self, due: Due, issue: Issue) -> None:
        """Merge at the judged head if the gate still says so; GitHub guards the SHA."""
        if issue.status != "merging" or issue.pull_request is None:
            return
        head, number = str(due.data["head"]), issue.pull_request.number
        pull = await self.github.snapshot(issue.repository, number)
        verdict = gate(issue, pull, self.policy)
        if pull.state != "merged" and (not isinstance(verdict, Merge) or verdict.head != head):
            reasons = ["The head moved."] if isinstance(verdict, Merge) else verdict.reasons
            outcome: c.Command = c.RecordMergeRefused(head, reasons)
        else:
            outcome = await self._merge(issue, pull, head)
        await handle(self.store, due.stream, outcome, "conductor", due.key)

    async def _merge(self, issue: Issue, pull: Snapshot, head: str) -> c.Command:
        title, message = squash_title(pull), squash_message(issue)
        try:
            sha = await self.github.merge(issue.repository, pull.number, head, title, message)
        except Refused as refused:
            return c.RecordMergeRefused(head, [f"GitHub did not merge it: {refused}"])
        return c.RecordMerged(head, sha, "rig")


Handler = Callable[[Effects, Due, Issue], Awaitable[None]]
HANDLERS: dict[str, Handler] = {
    "look": Effects.look,
    "post_review": Effects.post_review,
    "resolve_threads": Effects.resolve_threads,
    "set_status": Effects.set_status,
    "comment": Effects.comment,
    "merge": Effects.merge,
}
