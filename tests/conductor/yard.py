"""Issues on their way into one base, each with a pull request that has just passed the gate."""

from __future__ import annotations

from typing import Any

import pytest

from conductor import views
from conductor.around import Rules
from conductor.effects.runner import Effects
from conductor.github import GitHub
from conductor.handler import handle
from conductor.intake.pull_look import see_pull
from conductor.intake.sight import Sights
from conductor.intake.translate import PullSeen
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.merge.train import MergeTrain
from conductor.store.writer import Store
from servers.kit.database import Pool
from tests.conductor import histories as h
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID, observed, pull_request


class Yard:
    """Issues on their way into one base."""

    def __init__(self, store: Store, pool: Pool, train: MergeTrain = "always") -> None:
        self.store = store
        self.pool = pool
        self.github = MemoryGitHub()
        self.effects = Effects(store, self.github, Policy(), train)
        self.sights = Sights(store, self.github, Policy(), [REPOSITORY])

    async def tell(self, number: int, *commands: c.Command) -> Issue:
        for command in commands:
            await handle(self.store, stream(number), command, "test")
        return (await self.store.load(stream(number)))[1]

    async def board(self, number: int, base: str = "main", **changes: Any) -> None:
        """An issue whose pull request, of ten times its number, has just passed the gate."""
        issue = await self.tell(number, observed(number, base=base), h.assign(boot=str(number)))
        issue = await self.tell(number, c.StartWork(**h.held(issue)))
        pull, head = number * 10, f"{number:x}" * 40
        issue = await self.tell(number, c.ReportPullRequest(**h.held(issue), number=pull, head=head))
        issue = await self.tell(number, c.Complete(**h.held(issue)))
        self.github.show(pull_request(issue, number=pull, head_sha=head, **changes))
        issue = await self.tell(number, await self._seen(issue), h.assign(h.REVIEWER, "review", str(number)))
        issue = await self.tell(number, h.verdict(issue, head=head))
        issue = await self.tell(number, await self._seen(issue))
        assert issue.status == "merging", issue.waiting_for
        await self.pool.execute("DELETE FROM effects WHERE kind NOT IN ('merge', 'tell_place')")

    async def _seen(self, issue: Issue) -> c.ObservePullRequest:
        github: GitHub = self.github
        return await see_pull(github, issue, REPOSITORY, issue.number * 10, Policy())

    async def changed(self, number: int, **changes: Any) -> None:
        """GitHub shows something else, and says so."""
        self.github.show(self.github.pulls[number * 10], **changes)
        await self.sights.follow(PullSeen(REPOSITORY, number * 10))

    async def work(self) -> None:
        """Do what is due; nothing here waits for time to pass."""
        while await self.effects.work():
            pass

    async def status(self, number: int) -> str:
        return (await self.store.load(stream(number)))[1].status

    async def words(self, number: int) -> list[str]:
        (view,) = [one for one in await views.list_issues(self.pool, Rules()) if one.issue.endswith(f"#{number}")]
        return view.waits_for

    def landed(self) -> list[int]:
        return [number // 10 for what, number in self.github.done if what == "merge"]

    def said(self) -> list[tuple[str, str]]:
        return [words for what, words in self.github.done if what == "set_status"]


def stream(number: int) -> str:
    return f"issue-{REPOSITORY_ID}-{number}"


@pytest.fixture
def yard(store: Store, pool: Pool) -> Yard:
    return Yard(store, pool)
