"""Looks at GitHub where a sighting points and tells the issue what is new; webhooks and the reconciler share it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import yaml

from conductor import commands as c
from conductor.comments import permission_refused
from conductor.gate import Policy
from conductor.enrolment import Enrolment
from conductor.github import GitHub, Labeller, SeenIssue
from conductor.issue import READY_LABEL, Issue, stream_of
from conductor.lifecycle import TERMINAL
from conductor.look import look
from conductor.rollout import NO_PLAN, look_at_rollout, plan_of
from conductor.store import Store, connection_of
from conductor.translate import (
    AccountSeen,
    BaseSeen,
    DeploymentSeen,
    HeadSeen,
    IssueSeen,
    PullSeen,
    RepositorySeen,
    Sighting,
    WithinRepository,
)
from servers.kit.database import load_queries
from servers.kit.errors import NotFound

SQL = load_queries(Path(__file__).with_name("intake.sql"))
RECONCILE = "reconcile"
MAY_WRITE = frozenset({"admin", "maintain", "write"})


class Sights:
    """Follows sightings.

    Args:
        repositories: The enrolled ones, as owner/repo; sightings elsewhere are ignored.
        apps: Logins of Apps whose label starts work, such as `planner[bot]`; GitHub knows no permission of theirs.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        policy: Policy,
        repositories: Collection[str],
        apps: Collection[str] = (),
    ) -> None:
        self.store = store
        self.github = github
        self.policy = policy
        self.enrolment = Enrolment(store, github, repositories)
        self._apps = {login.lower() for login in apps}

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
                return await self._issue(repository, number)
            case PullSeen(repository=repository, number=number):
                return await self._pull(repository, number)
            case HeadSeen(repository=repository, sha=sha):
                return await self._head(repository, sha)
            case BaseSeen(repository=repository, branch=branch):
                return await self._base(repository, branch)
            case DeploymentSeen(repository=repository, sha=sha):
                return await self._deployment(repository, sha)

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

    async def _issue(self, repository: str, number: int) -> str | None:
        async with connection_of(self.store.pool) as connection:
            known = await connection.fetchval(SQL["by_name"], repository, number)
        try:
            first = None if known else await self.github.get_issue(repository, number, READY_LABEL)
            stream = known if first is None else stream_of(first.repository_id, number)
            read = partial(self._read_issue, repository, number, first)
            looked = await look(self.store, stream, read, "github")
        except NotFound:
            return f"{repository}#{number} is not an issue."
        if looked is None:
            return f"{repository}#{number} is not labelled {READY_LABEL}."
        seen = looked[1]
        refused = seen.ready and seen.approver is None
        return permission_refused(seen.labeller or "somebody", READY_LABEL) if refused else None

    async def _read_issue(
        self, repository: str, number: int, first: SeenIssue | None, issue: Issue
    ) -> c.ObserveIssue | None:
        seen = first if first and issue.status == "new" else None
        seen = seen or await self.github.get_issue(repository, number, READY_LABEL)
        if issue.status == "new" and READY_LABEL not in seen.labels:
            return None
        if seen.state != "open" and issue.pull_request:
            await self._pull(repository, issue.pull_request.number)  # a merge closes the issue, not a cancellation
        return await self._observation(seen, issue)

    def _may_start(self, labeller: Labeller) -> bool:
        return labeller.permission in MAY_WRITE or labeller.login.lower() in self._apps

    async def _observation(self, seen: SeenIssue, issue: Issue) -> c.ObserveIssue:
        base, stack = await self._ground(seen.repository, issue)
        allowed = seen.labeller is not None and self._may_start(seen.labeller)
        return c.ObserveIssue(
            repository_id=seen.repository_id,
            repository=seen.repository,
            number=seen.number,
            title=seen.title,
            body=seen.body or "",
            url=seen.url,
            author=seen.author,
            labels=seen.labels,
            open=seen.state == "open",
            stack=stack,
            base=base,
            approver=seen.labeller.login if seen.labeller and allowed else None,
            ready=READY_LABEL in seen.labels,
            labelling=seen.labeller.setting if seen.labeller else 0,
            labeller=seen.labeller.login if seen.labeller else "",
        )

    async def _ground(self, repository: str, issue: Issue) -> tuple[str, str]:
        """Base branch and stack, which are read only where work may start: later they are the issue's own."""
        if issue.status != "new" and issue.status not in TERMINAL:
            return issue.base, issue.stack
        base = await self.github.default_branch(repository)
        return base, await self._stack(repository, base)

    async def _stack(self, repository: str, base: str) -> str:
        """The stack that `.rig-agent.yaml` names on the base branch; empty lets any stack take the work."""
        text = await self.github.file(repository, ".rig-agent.yaml", base)
        try:
            config = yaml.safe_load(text or "")
        except yaml.YAMLError:
            return ""
        stack = cast(dict[str, object], config).get("stack") if isinstance(config, dict) else None
        return stack if isinstance(stack, str) else ""

    async def _pull(self, repository: str, number: int) -> str | None:
        stream = await self._stream_of_pull(repository, number)
        if stream is None:
            return f"{repository}#{number} belongs to no issue of the rig."

        async def read(_: Issue) -> c.ObservePullRequest:
            pull = await self.github.snapshot(repository, number)
            merged = pull.state == "merged"
            plan = await plan_of(self.github, repository, pull.base_ref) if merged else NO_PLAN
            return c.ObservePullRequest(pull, self.policy, plan.steps)

        await look(self.store, stream, read, "github")
        return None

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
        return None if rows else f"No pull request of the rig is against {branch} or comes from it."

    async def _deployment(self, repository: str, sha: str) -> str | None:
        """A later commit carries the earlier ones, so every issue that waits for a deployment is looked at."""
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["deploying"], repository)
        for row in rows:
            await look_at_rollout(self.store, self.github, row["stream"])
        return None if rows else f"No issue of {repository} waits for a deployment."
