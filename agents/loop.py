"""The model loop: query, act, observe, until a result is accepted or a limit is reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

from pydantic import ValidationError

from agents.errors import Stuck
from agents.meter import Meter
from agents.providers import Answer, Provider, ToolResult, ToolUse
from agents.results import FINISH, GIVE_UP, GiveUp, Result, arguments, problems, spec
from agents.toolbelt import Toolbelt
from servers.kit.logs import get, redact

log = get(__name__)
INVALID_RESULTS = 3
NUDGE = f"You ended your turn without a result. Go on, or call `{FINISH}`; if you cannot reach one, call `{GIVE_UP}`."

Accept = Callable[[Result], Awaitable[str | None]]


class Loop(Generic[Result]):
    """One conversation that has to end in a result.

    Args:
        result: What the `finish` tool takes.
        accept: Says what is wrong with a result, or None; raises Stuck when it has said so often enough.
    """

    def __init__(self, toolbelt: Toolbelt, meter: Meter, result: type[Result], accept: Accept[Result]) -> None:
        self._toolbelt = toolbelt
        self._meter = meter
        self._result = result
        self._accept = accept
        self._invalid = 0
        self._nudged = False
        self._seen: deque[str] = deque(maxlen=20)

    async def run(self, provider: Provider, system: str, opening: str) -> Result:
        """Talk until a result is accepted.

        Raises:
            Stuck: The model gives up, or a limit is reached; the evidence is what happened last.
        """
        local = [spec(FINISH, self._result), spec(GIVE_UP, GiveUp)]
        chat = provider.chat(system, [*self._toolbelt.specs, *local])
        inputs: Sequence[str | ToolResult] = [opening]
        try:
            while True:
                self._meter.require_room()
                answer = await chat.send(inputs)
                await self._meter.count(answer)
                outcome = await self._act(answer)
                if not isinstance(outcome, list):
                    return outcome
                inputs = outcome
        except Stuck as stuck:
            stuck.evidence = stuck.evidence or self.trace
            raise

    @property
    def trace(self) -> str:
        """What happened last, in lines."""
        return redact("\n".join(self._seen))

    async def _act(self, answer: Answer) -> Result | list[str | ToolResult]:
        """Do what the model asks for: an accepted result, or what to tell it next."""
        self._note(answer)
        if not answer.uses:
            return [self._nudge()]
        local = [use for use in answer.uses if use.name in (FINISH, GIVE_UP)]
        results = await self._toolbelt.use([use for use in answer.uses if use not in local])
        self._seen.extend(f"← {result.text[:300]}" for result in results if result.is_error)
        said = {result.id: result for result in results}
        if local:
            ended = await self._end(local)
            if not isinstance(ended, str):
                return ended
            self._seen.append(f"← {ended[:300]}")
            said |= {use.id: ToolResult(use.id, ended, is_error=True) for use in local}
        return [said[use.id] for use in answer.uses]

    async def _end(self, uses: Sequence[ToolUse]) -> Result | str:
        """The result if it holds, else what is wrong with it."""
        use = uses[0]
        if use.problem or len(uses) > 1:
            return self._refused(use.problem or "Hand in one result, once.")
        try:
            if use.name == GIVE_UP:
                given = GiveUp.model_validate(use.input)
                raise Stuck(given.error_class, given.reason)
            result = self._result.model_validate(use.input)
        except ValidationError as error:
            return self._refused(problems(error))
        return await self._accept(result) or result

    def _refused(self, problem: str) -> str:
        self._invalid += 1
        if self._invalid >= INVALID_RESULTS:
            raise Stuck("invalid_result", f"The model handed in {self._invalid} results that are not valid.", problem)
        return f"invalid_input: {problem}"

    def _nudge(self) -> str:
        if self._nudged:
            raise Stuck("no_result", "The model ended its turn twice without a result.")
        self._nudged = True
        return NUDGE

    def _note(self, answer: Answer) -> None:
        if answer.text:
            self._seen.append(answer.text[:300])
        self._seen.extend(f"→ {use.name} {arguments(use.input)}" for use in answer.uses)
        log.info("the model answered", turn=self._meter.turns, tools=[use.name for use in answer.uses])
