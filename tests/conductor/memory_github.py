"""GitHub as the conductor asks it, in memory: what it would show, what was done to it, and failures on order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from conductor.events import Comment
from conductor.github import Labeller, SeenChanges, SeenDelivery, SeenIssue, SeenRelations, SeenRepository
from conductor.merge.deployments import Rollout
from conductor.merge.snapshot import Snapshot
from servers.kit.errors import Conflict, NotFound
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID

CLEAR = "It should count."
MERGED_SHA = "c" * 40
Before = Callable[[], Awaitable[None]]


@dataclass
class MemoryGitHub:
    """Implements the port `conductor.github.GitHub`.

    Attributes:
        failing: For each method, what its next calls raise, in order; None lets one succeed.
        lost: The same, but raised after the write took effect.
        during: For each method, what happens elsewhere while it is being called.
        done: Every write that took effect.
        elsewhere: Issues of other repositories.
        config: The text of `.rig-agent.yaml`.
        said: Comments on issues, with their text.
    """

    issues: dict[int, SeenIssue] = field(default_factory=dict[int, SeenIssue])
    pulls: dict[int, Snapshot] = field(default_factory=dict[int, Snapshot])
    changed: dict[int, SeenChanges] = field(default_factory=dict[int, SeenChanges])
    teams: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    rollouts: dict[str, Rollout] = field(default_factory=dict[str, Rollout])
    deliveries: list[SeenDelivery] = field(default_factory=list[SeenDelivery])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    gone: set[str] = field(default_factory=set[str])
    failing: defaultdict[str, list[Exception | None]] = field(default_factory=lambda: defaultdict(list))
    lost: defaultdict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    during: dict[str, Before] = field(default_factory=dict[str, Before])
    calls: Counter[str] = field(default_factory=Counter[str])
    done: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    elsewhere: dict[str, dict[int, SeenIssue]] = field(default_factory=dict[str, dict[int, SeenIssue]])
    config: str | None = "stack: python\n"
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    said: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def label(self, number: int, login: str = "ada", permission: str = "admin", setting: int = 1) -> None:
        """An open issue that `login` has labelled."""
        self.issues[number] = SeenIssue(
            repository_id=REPOSITORY_ID,
            repository=REPOSITORY,
            number=number,
            title=f"Add feature {number}",
            body=CLEAR,
            state="open",
            author="ada",
            labels=["agent-ready"],
            labeller=Labeller(login=login, permission=permission, setting=setting),
        )

    def show(self, pull: Snapshot, **changes: Any) -> None:
        """From now on the pull request looks like this."""
        self.pulls[pull.number] = msgspec.structs.replace(pull, **changes)

    async def ping(self) -> None:
        await self._called("ping")

    def edit(self, number: int, **changes: Any) -> None:
        """From now on the issue looks like this."""
        self.issues[number] = msgspec.structs.replace(self.issues[number], **changes)

    def relate(self, number: int, **changes: Any) -> None:
        """From now on the issue has these relations."""
        relations = self.issues[number].relations or SeenRelations()
        self.edit(number, relations=msgspec.structs.replace(relations, **changes))

    async def get_issue(self, repository: str, number: int, label: str | None, relations: bool = False) -> SeenIssue:
        await self._called("get_issue")
        ours = repository.lower() in (REPOSITORY, self.renamed.get(REPOSITORY))
        known = self.issues if ours else self.elsewhere.get(repository, {})
        if number not in known:
            raise NotFound(f"There is no issue {repository}#{number}.")
        seen = known[number]
        related = relations and label in (None, *seen.labels)
        return msgspec.structs.replace(seen, relations=(seen.relations or SeenRelations()) if related else None)

    async def add_label(self, repository: str, number: int, label: str) -> None:
        await self._write("add_label", None, (number, label))
        self.edit(number, labels=[*dict.fromkeys([*self.issues[number].labels, label])])

    async def remove_label(self, repository: str, number: int, label: str) -> None:
        await self._write("remove_label", None, (number, label))
        self.edit(number, labels=[name for name in self.issues[number].labels if name != label])

    async def close_issue(self, repository: str, number: int) -> None:
        await self._write("close_issue", None, number)
        self.edit(number, state="closed")

    async def create_issue(self, repository: str, title: str, body: str, labels: list[str], key: str) -> int:
        await self._write("create_issue", key, (title, body, tuple(labels)))
        return max(self.issues, default=0) + 1

    async def ready_issues(self, repository: str, label: str) -> list[int]:
        await self._called("ready_issues")
        return [issue.number for issue in self.issues.values() if issue.state == "open" and label in issue.labels]

    async def open_pulls(self, repository: str) -> dict[str, int]:
        await self._called("open_pulls")
        return {pull.head_ref: pull.number for pull in self.pulls.values() if pull.state == "open"}

    async def repository(self, name: str) -> SeenRepository:
        await self._called("repository")
        if name in self.gone:
            raise NotFound(f"There is no repository {name}.")
        return SeenRepository(id=REPOSITORY_ID, full_name=self.renamed.get(name, name))

    async def rollout(self, repository: str, sha: str) -> Rollout:
        await self._called("rollout")
        return self.rollouts.get(sha, Rollout())

    async def failed_deliveries(self, repository: str, since: datetime) -> list[SeenDelivery]:
        await self._called("failed_deliveries")
        return [delivery for delivery in self.deliveries if delivery.delivered_at >= since]

    async def redeliver(self, repository: str, delivery: SeenDelivery) -> None:
        await self._write("redeliver", None, delivery.guid)

    async def default_branch(self, repository: str) -> str:
        return "main"

    async def file(self, repository: str, path: str, ref: str) -> str | None:
        await self._called("file")
        return self.config

    async def snapshot(self, repository: str, number: int) -> Snapshot:
        await self._called("snapshot")
        if number not in self.pulls:
            raise NotFound(f"There is no pull request {repository}#{number}.")
        return self.pulls[number]

    async def changes(
        self, repository: str, number: int, head: str, base: str, contents: list[str], base_files: list[str]
    ) -> SeenChanges:
        await self._called("changes")
        return self.changed.get(number, SeenChanges())

    async def accounts(self, repository: str, owners: list[str]) -> dict[str, list[str] | None]:
        await self._called("accounts")
        return {owner: self.teams.get(owner) for owner in owners}

    async def pull_of_branch(self, repository: str, branch: str) -> int | None:
        await self._called("pull_of_branch")
        return next((p.number for p in self.pulls.values() if (p.head_ref, p.state) == (branch, "open")), None)

    async def post_review(
        self, repository: str, number: int, head: str, verdict: str, body: str, comments: list[Comment], key: str
    ) -> None:
        await self._write("post_review", key, (number, verdict))

    async def resolve_thread(self, repository: str, thread: str) -> None:
        await self._write("resolve_thread", thread, thread)

    async def set_status(self, repository: str, sha: str, context: str, state: str, description: str) -> None:
        await self._write("set_status", None, (state, description))
        self.statuses[sha] = state

    async def comment(self, repository: str, number: int, body: str, key: str) -> None:
        await self._write("comment", key, number)
        self.said.append((number, body))

    async def update_branch(self, repository: str, number: int, head: str) -> bool:
        """Merge the base into the head, which gets a new name; CI begins there."""
        await self._called("update_branch")
        pull = self.pulls[number]
        if pull.head_sha != head:
            raise Conflict("expected head sha didn't match current head ref.")
        if not pull.behind:
            return False
        merged = f"{len(self.merged_bases) + 1:0>4}{head[4:]}"
        self.merged_bases[merged] = head
        self.done.append(("update_branch", number))
        self.show(pull, head_sha=merged, behind=False, checks=[], checks_state="pending")
        self._lose("update_branch")
        return True

    async def enqueue(self, repository: str, number: int, head: str) -> None:
        await self._called("enqueue")
        if self.pulls[number].head_sha != head:
            raise Conflict("Head branch was modified.")
        self.show(self.pulls[number], in_merge_queue=True)
        self.done.append(("enqueue", number))
        self._lose("enqueue")

    async def dequeue(self, repository: str, number: int) -> None:
        await self._called("dequeue")
        if self.pulls[number].in_merge_queue:
            self.show(self.pulls[number], in_merge_queue=False)
            self.done.append(("dequeue", number))
        self._lose("dequeue")

    async def is_clean_merge(self, repository: str, head: str, base: str, merged: str) -> bool:
        await self._called("is_clean_merge")
        return self.merged_bases.get(merged) == head

    merged_bases: dict[str, str] = field(default_factory=dict[str, str])

    async def merge(self, repository: str, number: int, head: str, title: str, message: str) -> str:
        await self._called("merge")
        pull = self.pulls[number]
        if pull.head_sha != head:
            raise Conflict("Head branch was modified. Review and try the merge again.")
        if pull.state != "merged":
            self.show(pull, state="merged", merged_sha=MERGED_SHA, merged_by="rig-conductor[bot]")
            self.done.append(("merge", number))
        self._lose("merge")
        return MERGED_SHA

    async def _write(self, what: str, key: str | None, how: Any) -> None:
        """A write that looks first: what has a key is done once."""
        await self._called(what)
        if key is None or (what, key) not in self._keys:
            self.done.append((what, how))
            self._keys.add((what, key))
        self._lose(what)

    _keys: set[tuple[str, str | None]] = field(default_factory=set[tuple[str, str | None]])

    async def _called(self, what: str) -> None:
        self.calls[what] += 1
        if before := self.during.get(what):
            await before()
        if self.failing[what] and (error := self.failing[what].pop(0)):
            raise error

    def _lose(self, what: str) -> None:
        if self.lost[what]:
            raise self.lost[what].pop(0)
