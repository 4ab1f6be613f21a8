"""Eyes and hands on GitHub in memory, to look at issues and see what the rig does about them."""

from __future__ import annotations

from typing import Any

from conductor.effects.runner import Effects
from conductor.github import SeenOther
from conductor.handler import handle
from conductor.intake.sight import Sights
from conductor.intake.sight_issue import Readiness
from conductor.intake.translate import IssueSeen
from conductor.issues.commands import Assign
from conductor.issues.issue import Issue, stream_of
from conductor.merge.gate import Policy
from conductor.store.writer import Store
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID

ELSEWHERE = "acme/web"


class World:
    """The rig's eyes and hands on GitHub in memory."""

    def __init__(self, store: Store, **readiness: Any) -> None:
        self.store = store
        self.github = MemoryGitHub()
        self.sights = Sights(store, self.github, Policy(), [REPOSITORY, ELSEWHERE], readiness=Readiness(**readiness))
        self.effects = Effects(store, self.github, Policy())

    async def look(self, number: int = 1, **changes: Any) -> Issue:
        """Label the issue if it is new, let it look as told, and follow it."""
        if number not in self.github.issues:
            self.github.label(number)
        self.github.edit(number, **changes)
        await self.sights.follow(IssueSeen(REPOSITORY, number))
        return await self.issue(number)

    async def issue(self, number: int = 1) -> Issue:
        return (await self.store.load(stream_of(REPOSITORY_ID, number)))[1]

    async def act(self) -> list[str]:
        """Do every effect that is due; what was written on GitHub since the last time."""
        self.github.done.clear()
        while await self.effects.work(20):
            pass
        return [what for what, _ in self.github.done]

    async def take(self, number: int = 1) -> Issue:
        take = Assign("dev-e", "dev", "dev-e", "1", "run", ("implement",))
        return (await handle(self.store, stream_of(REPOSITORY_ID, number), take, "dev-e")).issue


def other(number: int, state: str = "open", *labels: str, repository: str = REPOSITORY) -> SeenOther:
    return SeenOther(repository=repository, number=number, state=state, labels=list(labels))
