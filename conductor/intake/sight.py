"""Looks at GitHub where a sighting points and tells the issue what is new; webhooks and the reconciler share it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from conductor.comments import GATE_OPEN, STATUS_CONTEXT
from conductor.github import GitHub
from conductor.handler import handle
from conductor.intake.enrolment import Enrolment
from conductor.intake.look import look
from conductor.intake.pull_look import see_pull
from conductor.intake.sight_issue import IssueSights, Readiness
from conductor.intake.translate import (
    AccountSeen,
    BaseSeen,
    DeploymentSeen,
    GroupSeen,
    HeadSeen,
    IssueGone,
    IssueSeen,
    PullSeen,
    RepositorySeen,
    Sighting,
    WithinRepository,
)
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.merge.places import go_on
from conductor.merge.rollout import look_at_rollout
from conductor.store.writer import Store, connection_of
from servers.kit.database import load_queries
from servers.kit.errors import NotFound

SQL = load_queries(Path(__file__).with_name("intake.sql"))
RECONCILE = "reconcile"


class Sights:
    """Follows sightings.

    Args:
        repositories: The enrolled ones, as owner/repo; sightings elsewhere are ignored.
        apps: Logins of Apps whose label starts work, such as `planner[bot]`; GitHub knows no permission of theirs.
        readiness: How it is found out whether an issue is clear enough.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        policy: Policy,
        repositories: Collection[str],
        apps: Collection[str] = (),
        readiness: Readiness | None = None,
    ) -> None:
        self.store = store
        self.github = github
        self.policy = policy
        self.enrolment = Enrolment(store, github, repositories)
        self.issues = IssueSights(store, github, apps, self._pull, readiness)

    async def follow(self, sighting: Sighting) -> str | None:
        """Bring the rig up to date with what `sighting` points at; why it was ignored, if it was."""
        if isinstance(sighting, AccountSeen):
            return await self._account(sighting.account)
        if isinstance(sighting, RepositorySeen):
            return await self._repository(sighting)
        current = await self.enrolment.current(sighting.repository)
        if current is None:
            return f"{sighting.repository} is not enrolled."
        return await self._within(replace(sighting, repository=current))

    async def _within(self, sighting: WithinRepository) -> str | None:
        match sighting:
            case IssueSeen(repository=repository, number=number):
                return await self.issues.follow(repository, number)
            case IssueGone(repository=repository, number=number):
                return await self._gone(repository, number)
            case PullSeen(repository=repository, number=number):
                return await self._pull(repository, number)
            case GroupSeen(repository=repository, number=number, sha=sha):
                return await self._pull(repository, number) or await self._group(repository, number, sha)
            case HeadSeen(repository=repository, sha=sha):
                return await self._head(repository, sha)
            case BaseSeen(repository=repository, branch=branch):
                return await self._base(repository, branch)
            case DeploymentSeen(repository=repository, sha=sha):
                return await self._deployment(repository, sha)

    async def _gone(self, repository: str, number: int) -> str | None:
        async with connection_of(self.store.pool) as connection:
            stream = await connection.fetchval(SQL["by_name"], repository, number)
        if stream is None:
            return f"{repository}#{number} is no issue of the rig."
        cancel = c.Cancel("The issue was deleted or moved away on GitHub.", "github")
        await handle(self.store, stream, cancel, "github")
        await self.issues.dependents(f"{repository}#{number}", over=True)
        return None

    async def _account(self, account: str) -> str | None:
        if not self.enrolment.owns(account):
            return f"No repository of {account} is enrolled."
        await self.store.wake.publish(RECONCILE)
        return None

    async def _repository(self, seen: RepositorySeen) -> str | None:
        """Learn what the repository is called now, and have all of it looked at."""
        for name in filter(None, (seen.before, seen.repository)):
            if await self.enrolment.current(name):
                try:
                    await self.enrolment.look(name)
                except NotFound:
                    return f"{name} is gone, or the rig may not see it."
                await self.store.wake.publish(RECONCILE)
                return None
        return f"{seen.repository} is not enrolled."

    async def _pull(self, repository: str, number: int) -> str | None:
        stream = await self._stream_of_pull(repository, number)
        if stream is None:
            concerns = await self.issues.closed_by(repository, number)
            return None if concerns else f"{repository}#{number} belongs to no issue of the rig."

        async def read(issue: Issue) -> c.ObservePullRequest:
            return await see_pull(self.github, issue, repository, number, self.policy)

        looked = await look(self.store, stream, read, "github")
        if looked and looked[0].issue.status == "merging":
            await go_on(self.store, looked[0].issue)
        return None

    async def _group(self, repository: str, number: int, sha: str) -> None:
        """Say what the gate said on the commit that GitHub's queue tests as well; the base may demand it there."""
        stream = await self._stream_of_pull(repository, number)
        if stream and (await self.store.load(stream))[1].status == "merging":
            await self.github.set_status(repository, sha, STATUS_CONTEXT, "success", GATE_OPEN)

    async def _stream_of_pull(self, repository: str, number: int) -> str | None:
        async with connection_of(self.store.pool) as connection:
            known = await connection.fetchval(SQL["by_pull_number"], repository, number)
        if known:
            return known
        pull = await self.github.snapshot(repository, number)
        async with connection_of(self.store.pool) as connection:
            return await connection.fetchval(SQL["by_pull"], pull.repository_id, number, pull.head_ref)

    async def _head(self, repository: str, sha: str) -> str | None:
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["by_head"], repository, sha)
        for row in rows:
            await self._pull(repository, row["pull_number"])
        return None if rows else f"{sha[:7]} is no head of the rig."

    async def _base(self, repository: str, branch: str) -> str | None:
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["by_base"], repository, branch)
        for row in rows:
            await self._pull(repository, row["pull_number"])
        freed = await self.issues.base_moved(repository, branch)
        return None if rows or freed else f"No pull request of the rig is against {branch} or comes from it."

    async def _deployment(self, repository: str, sha: str) -> str | None:
        """A later commit carries the earlier ones, so every issue that waits for a deployment is looked at."""
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["deploying"], repository)
        for row in rows:
            await look_at_rollout(self.store, self.github, row["stream"])
        return None if rows else f"No issue of {repository} waits for a deployment."
