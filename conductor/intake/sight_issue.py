"""Looks at issues on GitHub and tells the rig what is new, and looks at those that waited for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from msgspec import structs

from conductor.comments import permission_refused
from conductor.github import GitHub, Labeller, SeenIssue, SeenRelations
from conductor.intake.look import look
from conductor.intake.relations import SQL, Relations
from conductor.issues import commands as c
from conductor.issues.dependencies import parts
from conductor.issues.issue import READY_LABEL, Issue, stream_of
from conductor.issues.lifecycle import TERMINAL
from conductor.issues.readiness import Said, answers, questions, with_answers
from conductor.store.writer import Store, connection_of
from servers.kit.errors import InvalidInput, NotFound, TooLarge
from servers.kit.repository import FILE, RepositorySettings, parse

MAY_WRITE = frozenset({"admin", "maintain", "write"})
_STACK = "stack:"
_WAITING = ("queued", "blocked", "escalated")
_BEGUN = ("assigned", "in_progress")


@dataclass(frozen=True)
class Readiness:
    """How it is found out whether an issue is clear enough.

    Attributes:
        rules: Whether vague issues are asked about.
        judge: The character that has to find an issue clear before anybody works on it; empty for none.
    """

    rules: bool = True
    judge: str = ""


class IssueSights:
    """Looks at issues.

    Args:
        apps: Logins of Apps whose label starts work, such as `planner[bot]`; GitHub knows no permission of theirs.
        look_at_pull: Looks at a pull request, by repository and number.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        apps: Collection[str],
        look_at_pull: Callable[[str, int], Awaitable[Any]],
        readiness: Readiness | None = None,
    ) -> None:
        self.store = store
        self.github = github
        self._apps = {login.lower() for login in apps}
        self._look_at_pull = look_at_pull
        self._readiness = readiness or Readiness()

    async def follow(self, repository: str, number: int) -> str | None:
        """Look at an issue, then at those that it set free; why it was ignored, if it was."""
        try:
            seen, ignored = await self._look(repository, number)
        except NotFound:
            return f"{repository}#{number} is not an issue."
        await self.dependents(f"{seen.repository}#{seen.number}", over=seen.state != "open")
        return ignored

    async def dependents(self, key: str, over: bool) -> int:
        """Look at the issues that wait for `key`; how many there were.

        Args:
            over: Whether `key` is closed; else only those are looked at that missed it or wait in a circle.
        """
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["dependents"], key, over)
        for row in rows:
            await self._again(row["repository"], row["number"])
        return len(rows)

    async def closed_by(self, repository: str, number: int) -> bool:
        """Look at the issues that a pull request outside the rig closes or holds; whether there were any."""
        pull = await self.github.snapshot(repository, number)
        held = await self.dependents(f"{pull.repository}#{number}", over=pull.state != "open")
        known = [await self._known(*parts(key)) for key in pull.closes]
        for row in filter(None, known):
            await self._again(row["repository"], row["number"])
        return held > 0 or any(known)

    async def base_moved(self, repository: str, branch: str) -> bool:
        """Look at the issues that could not start by what the base branch said; whether there were any."""
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["by_config"], repository, branch)
        for row in rows:
            await self._again(row["repository"], row["number"])
        return bool(rows)

    async def _again(self, repository: str, number: int) -> None:
        try:
            await self._look(repository, number)
        except NotFound:
            return

    async def _known(self, repository: str, number: int) -> Any:
        async with connection_of(self.store.pool) as connection:
            return await connection.fetchrow(SQL["known_issue"], repository, number)

    async def _look(self, repository: str, number: int) -> tuple[SeenIssue, str | None]:
        known = await self._known(repository, number)
        first = None if known else await self.github.get_issue(repository, number, READY_LABEL, relations=True)
        stream = stream_of(first.repository_id, number) if first else known["stream"]
        shown: list[SeenIssue] = [first] if first else []
        looked = await look(self.store, stream, partial(self._read, repository, number, shown), "github")
        if looked is None:
            return shown[-1], f"{repository}#{number} is not labelled {READY_LABEL}."
        after, seen = looked[0].issue, looked[1]
        refused = seen.ready and seen.approver is None and (after.status == "new" or after.status in TERMINAL)
        return shown[-1], permission_refused(seen.labeller or "somebody", READY_LABEL) if refused else None

    async def _read(
        self, repository: str, number: int, shown: list[SeenIssue], issue: Issue
    ) -> c.ObserveIssue | None:
        """What GitHub shows; what it showed last is kept in `shown`."""
        seen = shown.pop() if shown and issue.status == "new" else await self._issue(repository, number, issue)
        shown.append(seen)
        if issue.status == "new" and READY_LABEL not in seen.labels:
            return None
        if seen.state != "open" and issue.pull_request:
            await self._look_at_pull(repository, issue.pull_request.number)  # a merge closes it, no cancellation
        may_start = self._may_start(seen, issue)
        if issue.status == "new" and not may_start:
            seen = structs.replace(seen, relations=None)  # they decide nothing yet
        elif seen.relations is None and may_start:
            shown[-1] = seen = await self.github.get_issue(repository, number, READY_LABEL, relations=True)
        return await self._observation(seen, issue)

    async def _issue(self, repository: str, number: int, issue: Issue) -> SeenIssue:
        """Who set the label is only asked where that decides, for it costs two requests."""
        decides = issue.status in ("new", "escalated", *TERMINAL)
        holds = issue.pull_request is None and issue.status in (*_WAITING, *_BEGUN)
        label = READY_LABEL if decides else None
        return await self.github.get_issue(repository, number, label, relations=holds)

    def _may_start(self, seen: SeenIssue, issue: Issue) -> bool:
        over = issue.status == "new" or issue.status in TERMINAL
        anew = seen.labeller is not None and (issue.status == "new" or seen.labeller.setting > issue.labelling)
        return over and anew and seen.state == "open" and READY_LABEL in seen.labels

    def _approver(self, labeller: Labeller | None) -> str | None:
        if labeller is None:
            return None
        allowed = labeller.permission in MAY_WRITE or labeller.login.lower() in self._apps
        return labeller.login if allowed else None

    async def _observation(self, seen: SeenIssue, issue: Issue) -> c.ObserveIssue:
        observed = c.ObserveIssue(
            repository_id=seen.repository_id,
            repository=seen.repository,
            number=seen.number,
            title=seen.title,
            body=seen.body or "",
            url=seen.url,
            author=seen.author,
            labels=seen.labels,
            open=seen.state == "open",
            stack=issue.stack,
            base=issue.base,
            approver=self._approver(seen.labeller),
            ready=READY_LABEL in seen.labels,
            labelling=seen.labeller.setting if seen.labeller else 0,
            labeller=seen.labeller.login if seen.labeller else "",
            judge=self._readiness.judge,
        )
        if seen.relations is None:
            return observed
        if issue.status not in _BEGUN:
            observed = await self._ground(observed, issue, seen.default_branch, seen.relations.settings)
        return await self._related(observed, seen, seen.relations, issue)

    async def _ground(self, observed: c.ObserveIssue, issue: Issue, main: str, shown: str | None) -> c.ObserveIssue:
        """Base branch, rules and stack, which are read where work may start: later they are the issue's own."""
        fresh = issue.status == "new" or issue.status in TERMINAL
        base = (main or await self.github.default_branch(observed.repository)) if fresh else issue.base
        said, error = await self._config(observed.repository, base, shown if base == main else None)
        stack = stack_of(observed.labels) or said.stack
        return replace(observed, base=base, stack=stack, config_error=error)

    async def _config(self, repository: str, base: str, shown: str | None) -> tuple[RepositorySettings, str]:
        """What was shown with the issue saves a request, but only the file itself is said to be wrong."""
        if shown is not None:
            with suppress(InvalidInput):
                return await asyncio.to_thread(parse, shown), ""
        try:
            text = await self.github.file(repository, FILE, base)
            return await asyncio.to_thread(parse, text), ""
        except (InvalidInput, TooLarge) as error:
            return RepositorySettings(), str(error) or FILE

    async def _related(
        self, observed: c.ObserveIssue, seen: SeenIssue, related: SeenRelations, issue: Issue
    ) -> c.ObserveIssue:
        others = await Relations(self.store, self.github, seen).read()
        asked = issue.blocked.questions if issue.blocked else []
        given, answered = answers(_said(seen, related), asked)
        rules = self._readiness.rules
        found = questions(seen.title, seen.body or "", seen.labels, related.templates) if rules else []
        return replace(
            observed,
            related=True,
            body=with_answers(observed.body, given),
            sub_issues=others.sub_issues,
            dependencies=others.dependencies,
            circle=others.circle,
            rival=_rival(related, issue),
            questions=found,
            answered=answered,
        )


def stack_of(labels: Collection[str]) -> str:
    """The stack that a label such as `stack:go` names; empty where none does."""
    named = sorted(label.lower() for label in labels if label.lower().startswith(_STACK))
    return named[0].removeprefix(_STACK).strip() if named else ""


def _said(seen: SeenIssue, related: SeenRelations) -> list[Said]:
    return [
        Said(one.author, one.body, one.ours, not one.bot and (one.trusted or one.author == seen.author))
        for one in related.comments
    ]


def _rival(related: SeenRelations, issue: Issue) -> c.Rival | None:
    """The oldest open pull request for the issue that is not on the branch of the rig's present attempt."""
    ours = "" if issue.status in TERMINAL else issue.branch  # what starts anew gets another branch
    others = [pull for pull in related.pull_requests if pull.fork or pull.head_ref != ours]
    first = min(others, key=lambda pull: pull.number, default=None)
    return c.Rival(f"{first.repository}#{first.number}", first.author) if first else None
