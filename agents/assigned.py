"""One assignment as it is worked on: whom to call about it, and what was spent on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agents.assignment import Assignment
from agents.errors import BudgetExceeded, UsageLimited
from agents.git import Credential
from agents.ground import Ground
from agents.heartbeat import Pulse
from agents.livelog import LiveLog
from agents.mesh import Mesh
from agents.meter import Grant, Meter
from agents.patience import patiently
from agents.providers import Answer, Provider
from agents.run_folder import Unfinished
from agents.settings import AgentSettings
from agents.steering import Inbox
from agents.workspace import WorkingCopy
from servers.kit.character import Character
from servers.kit.errors import Conflict, Fenced, IllegalTransition, NotFound, Superseded, Unavailable
from servers.kit.logs import get
from servers.kit.money import Money

log = get(__name__)
T = TypeVar("T")
TELL_SECONDS = 3
OVER = (Fenced, Conflict, IllegalTransition, NotFound)


class Run:
    """Everything that the steps of one run share.

    Args:
        provider: Gives the model's provider, which may still be loading.
        note: Keeps on what the files stand, through a kill.
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
        note: Callable[[Unfinished | None], None] = lambda _: None,
    ) -> None:
        self.assignment = assignment
        self.character = character
        self.settings = settings
        self.mesh = mesh
        self.copy = copy
        self.provider = provider
        self.live = LiveLog(self._send_lines)
        self.meter = Meter(character.budget, self._report_usage, self._reserve)
        self._ground: Ground | None = None
        self._note = note
        self._pulse = pulse
        self._reporting: asyncio.Future[Any] | None = None

    @property
    def ground(self) -> Ground | None:
        """What the files were made from while they hold work that is not pushed."""
        return self._ground

    @ground.setter
    def ground(self, ground: Ground | None) -> None:
        self._ground = ground
        self._note(self._unfinished(ground) if ground else None)

    def _unfinished(self, ground: Ground) -> Unfinished:
        merged = ground.base if ground.merge else None
        about = self.assignment
        return Unfinished(issue=about.issue, kind=about.kind, branch=about.branch, head=ground.head, merged=merged)

    @property
    def inbox(self) -> Inbox:
        """What was sent to the run while it works."""
        return self._pulse.inbox

    @property
    def doing(self) -> str:
        """What the run does now, as people see it."""
        return f"{self._pulse.step} ({self._pulse.note})" if self._pulse.note else self._pulse.step

    def step(self, name: str) -> None:
        """Say what the run does now; people see it with the next heartbeat."""
        self._pulse.step, self._pulse.note = name, ""
        self.live.step(name)
        log.info("step", step=name, issue=self.assignment.issue, run=self.assignment.run)

    async def confirm(self) -> None:
        """Ask the conductor whether the work is still ours.

        Raises:
            Fenced, Superseded: It is not.
        """
        await self.settle()
        await self._pulse.confirm()

    async def report(self, event: str, **data: Any) -> None:
        """Tell the conductor what happened."""
        await self.conductor("report_event", type=event, data=data)

    async def limited(self, limit: UsageLimited) -> None:
        """Tell of a provider's limit, at which every agent pauses; a conductor that is away hears of the next."""
        self.live.say(str(limit))
        said = {"provider": limit.provider, "until": limit.until.isoformat(), "reason": limit.reason}
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self.report("USAGE_LIMITED", **said)
        except (Unavailable, TimeoutError) as error:
            log.warning("nobody could be told of a limit", reason=str(error) or "it took too long", **said)

    async def conductor(self, tool: str, **arguments: Any) -> Any:
        """Call the conductor under this run's claim."""
        await self.settle()
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
        await self.settle()
        said = dict[str, Any](
            run=self.assignment.run,
            model=answer.model or self.character.llm.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            usd=float(answer.cost.usd),
        )
        about = {"type": "TOKEN_USAGE", "claim": self.assignment.claim.model_dump(), "data": said}
        # Beside what the model asked for; whoever speaks to the conductor next waits for it.
        self._reporting = asyncio.ensure_future(self.mesh.call("conductor", "report_event", about))

    async def settle(self) -> None:
        """Wait until the conductor knows what the last answer cost.

        Raises:
            Fenced, Superseded: The work is no longer ours.
        """
        reporting = self._reporting
        if reporting is None:
            return
        try:
            await asyncio.shield(reporting)  # what was spent is told, also when the run is told to stop
        except (Fenced, Superseded, asyncio.CancelledError):
            raise  # a lost claim to whoever asks next, too, for it stays lost
        except Exception:
            self._reporting = None
            raise
        self._reporting = None

    async def _send_lines(self, lines: list[dict[str, Any]]) -> None:
        said = {"run": self.assignment.run, "lines": lines}
        about = {"type": "LOG", "claim": self.assignment.claim.model_dump(), "data": said}
        await self.mesh.call("conductor", "report_event", about, patience=0)

    async def _reserve(self, worst: Money) -> Grant:
        """Room for a model call in the budgets that the run shares, waiting while others' calls may take it.

        Raises:
            BudgetExceeded: There is none.
        """
        while True:
            room = await self.conductor("reserve_budget", usd=float(worst.usd))
            if room["exceeded"]:
                spent, limit = Money.of(room["spent_usd"]), Money.of(room["limit_usd"])
                raise BudgetExceeded(room["exceeded"], str(room["reason"]), spent, limit)
            if room["calls"]:
                return Grant(Money.of(room["usd"]), int(room["calls"]))
            self._pulse.note = "waiting for room in the budget"
