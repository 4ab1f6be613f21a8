"""One assignment as it is worked on: whom to call about it, and what was spent on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agents.assignment import Assignment
from agents.git import Credential
from agents.ground import Ground
from agents.heartbeat import Pulse
from agents.mesh import Mesh
from agents.meter import Meter
from agents.patience import patiently
from agents.providers import Answer, Provider
from agents.settings import AgentSettings
from agents.workspace import WorkingCopy
from servers.kit.character import Character
from servers.kit.errors import Conflict, Fenced, IllegalTransition, NotFound
from servers.kit.logs import get

log = get(__name__)
T = TypeVar("T")
OVER = (Fenced, Conflict, IllegalTransition, NotFound)


class Run:
    """Everything that the steps of one run share.

    Args:
        provider: Gives the model's provider, which may still be loading.

    Attributes:
        ground: What the files were made from while they hold work that is not pushed.
    """

    def __init__(
        self,
        assignment: Assignment,
        character: Character,
        settings: AgentSettings,
        mesh: Mesh,
        copy: WorkingCopy,
        pulse: Pulse,
        provider: Callable[[], Awaitable[Provider]],
    ) -> None:
        self.assignment = assignment
        self.character = character
        self.settings = settings
        self.mesh = mesh
        self.copy = copy
        self.provider = provider
        self.meter = Meter(character.budget, self._report_usage)
        self.ground: Ground | None = None
        self._pulse = pulse

    def step(self, name: str) -> None:
        """Say what the run does now; people see it with the next heartbeat."""
        self._pulse.step, self._pulse.note = name, ""
        log.info("step", step=name, issue=self.assignment.issue, run=self.assignment.run)

    async def confirm(self) -> None:
        """Ask the conductor whether the work is still ours.

        Raises:
            Fenced, Superseded: It is not.
        """
        await self._pulse.confirm()

    async def report(self, event: str, **data: Any) -> None:
        """Tell the conductor what happened."""
        await self.conductor("report_event", type=event, data=data)

    async def conductor(self, tool: str, **arguments: Any) -> Any:
        """Call the conductor under this run's claim."""
        claim = self.assignment.claim.model_dump()
        return await self.mesh.call("conductor", tool, {"claim": claim, **arguments})

    async def github(self, tool: str, **arguments: Any) -> Any:
        """Call the github server about this run's repository."""
        return await self.mesh.call("github", tool, {"repository": self.assignment.repository, **arguments})

    async def remotely(self, act: Callable[[Credential], Awaitable[T]]) -> T:
        """Do something with the remote under a fresh credential, again while it is away."""

        async def once() -> T:
            return await act(Credential.of(await self.github("git_credential")))

        return await patiently(self.settings.patience_seconds, once)

    def last_words(self) -> None:
        """From here on the end of the claim is what we ask for, not a reason to stop."""
        self._pulse.last_words = True

    async def hand_in(self, tool: str, **arguments: Any) -> None:
        """Make the call that ends the claim; that it is over already is no failure then."""
        self.last_words()
        try:
            await self.conductor(tool, **arguments)
        except OVER as error:
            log.info("the claim had ended", tool=tool, reason=str(error), issue=self.assignment.issue)

    async def _report_usage(self, answer: Answer) -> None:
        usage = answer.usage
        self._pulse.note = f"turn {self.meter.turns}"  # an answer is progress, which the conductor watches for
        await self.report(
            "TOKEN_USAGE",
            run=self.assignment.run,
            model=self.character.llm.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            usd=round(answer.usd, 6),
        )
