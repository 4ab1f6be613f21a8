"""With what effects are done."""

from __future__ import annotations

from dataclasses import dataclass

from conductor.dispatch.chores import Chores
from conductor.effects.lanes import Lanes
from conductor.github import GitHub
from conductor.intake.look import look
from conductor.intake.pull_look import see_pull
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.merge.places import go_on
from conductor.merge.train import MergeTrain
from conductor.store.writer import Store
from servers.kit.errors import NotFound, Unsettled


@dataclass(frozen=True)
class Hands:
    """What every effect may use.

    Attributes:
        judge: The character that scores merged work, if any.
    """

    store: Store
    github: GitHub
    policy: Policy
    lanes: Lanes
    train: MergeTrain = "always"
    chores: Chores | None = None
    judge: str = ""

    async def look(self, stream: str, causation: str) -> None:
        """Read the pull request and tell the issue what is new; decides the merge gate on the way."""
        looked = await look(self.store, stream, self.see, "conductor", causation)
        if looked is None:
            return
        after, pull = looked[0].issue, looked[1].pull
        if after.status == "merging":
            await go_on(self.store, after)
        if after.status == "ready_to_merge" and pull.state == "open" and pull.mergeable == "unknown":
            raise Unsettled("GitHub has not yet said whether the pull request can be merged.")

    async def see(self, issue: Issue) -> c.ObservePullRequest | None:
        """The issue's pull request as GitHub shows it; None where there is none yet."""
        number = await self._pull_number(issue)
        if number is None:
            return None
        try:
            return await see_pull(self.github, issue, issue.repository, number, self.policy)
        except NotFound as error:  # GitHub shows what is new a little later than it takes it
            raise Unsettled(str(error)) from error

    async def _pull_number(self, issue: Issue) -> int | None:
        if issue.pull_request:
            return issue.pull_request.number
        return await self.github.pull_of_branch(issue.repository, issue.branch) if issue.branch else None
