"""What a model is asked, what it may call, and the result it has to end in; the same for every provider."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from pydantic import ValidationError

from agents.errors import Stuck, UsageLimited
from agents.livelog import Say, say_nothing, unfenced
from agents.meter import Meter
from agents.prices import ModelPrice, tokens_at_most
from agents.providers import Answer, ToolResult, ToolSpec, ToolUse
from agents.results import FINISH, GIVE_UP, GiveUp, Result, arguments, problems, spec
from agents.steering import UNREAD, Inbox
from agents.toolbelt import Toolbelt
from agents.transcripts import Keeping, Kept, NoTranscripts, Transcripts
from servers.kit.errors import RigError
from servers.kit.logs import get, redact

log = get(__name__)
INVALID_RESULTS = 3
LOST_SECONDS = 2
TAKEN = "The result is taken. The work is over; say nothing more."
CUT_OFF = "This call was cut off with the process that made it; it may have been made or not. Look before you go on."
NUDGE = f"You ended your turn without a result. Go on, or call `{FINISH}`; if you cannot reach one, call `{GIVE_UP}`."
TAKEN_OVER = (
    "Another model began this work and cannot go on. The files hold what it did; look at them before you change more."
)
RESUMED = (
    "You worked on this before, and what was said then stands above. The files may have changed since; where they "
    "differ from what you remember, the files are right."
)

Accept = Callable[[Result], Awaitable[str | None]]


async def _nobody(limit: UsageLimited) -> None:
    """Where nobody wants to know."""


@dataclass(frozen=True)
class Brief:
    """What a model is told at the beginning.

    Attributes:
        folder: The run's folder, where a provider's program may keep its own files.
    """

    system: str
    opening: str
    folder: Path


class Conversation(Generic[Result]):
    """One conversation that has to end in a result, whoever runs its loop.

    Args:
        result: What the `finish` tool takes.
        accept: Says what is wrong with a result, or None; raises Stuck when it has said so often enough.
        inbox: What is sent to the run while it works.
        say: Tells whoever follows the run what goes on.
        limited: Tells of a provider's limit when it is met, also where another provider goes on.

    Attributes:
        result: The result, once one is accepted.
        resumed: Whether the provider goes on with what was said in an earlier run.
    """

    def __init__(
        self,
        brief: Brief,
        toolbelt: Toolbelt,
        meter: Meter,
        result: type[Result],
        accept: Accept[Result],
        transcripts: Transcripts | None = None,
        inbox: Inbox | None = None,
        say: Say = say_nothing,
        limited: Callable[[UsageLimited], Awaitable[None]] = _nobody,
    ) -> None:
        self.brief = brief
        self.limited = limited
        self.meter = meter
        self.transcripts = transcripts or NoTranscripts()
        self.result: Result | None = None
        self.resumed = False
        self._toolbelt = toolbelt
        self._model = result
        self._accept = accept
        self._inbox = inbox or Inbox()
        self._say = say
        self._invalid = 0
        self._nudged = False
        self._ending = asyncio.Lock()
        self._prompt_tokens = 0
        self._seen: deque[str] = deque(maxlen=20)
        self._keeping: Keeping | None = None

    @property
    def opening(self) -> str:
        """The first message, which says on what it builds."""
        if self.resumed:
            return f"{RESUMED}\n\n{self.brief.opening}"
        return f"{TAKEN_OVER}\n\n{self.brief.opening}" if self.meter.turns else self.brief.opening

    @property
    def specs(self) -> list[ToolSpec]:
        """Every tool that the model is offered."""
        return [*self._toolbelt.specs, spec(FINISH, self._model), spec(GIVE_UP, GiveUp)]

    def reads(self, name: str) -> bool:
        """Whether a tool changes nothing."""
        return self._toolbelt.reads(name)

    @property
    def trace(self) -> str:
        """What happened last, in lines."""
        return redact("\n".join(self._seen))

    async def require_room(self, price: ModelPrice, output_tokens: int) -> None:
        """Let the next model call through if every budget has room for the most that it can cost.

        Args:
            output_tokens: The longest answer.

        Raises:
            BudgetExceeded: One has not.
        """
        await self.meter.require_room(price.worst(self._prompt_tokens, output_tokens))

    def begin(self, earlier: str = "") -> str:
        """The first message, from here on, of a provider that goes on with what was said `earlier`."""
        self.resumed = bool(earlier)
        specs = [f"{one.name}{one.description}{one.input_schema}" for one in self.specs]
        self._prompt_tokens = tokens_at_most([self.brief.system, self.opening, earlier, *specs])
        return self.opening

    @asynccontextmanager
    async def kept(self, provider: str, said: Callable[[], Kept | None]) -> AsyncGenerator[None]:
        """Keep what is said meanwhile, by a provider, for a later run.

        Args:
            said: All that was said up to now.
        """
        self._keeping = Keeping(self.transcripts, provider, said)
        try:
            yield
        finally:
            await self._keeping.close()

    async def count(self, answer: Answer) -> None:
        """Note one answer of the model and what it cost."""
        used = answer.usage
        self._prompt_tokens = used.input_tokens + used.cache_read_tokens + used.cache_write_tokens
        self._prompt_tokens += used.output_tokens
        called = [f"→ {use.name} {arguments(use.input)}" for use in answer.uses]
        self._seen.extend([answer.text[:300], *called] if answer.text else called)
        for text in (answer.text, *called):
            self._say(text)
        await self.meter.count(answer)
        if self._keeping:
            self._keeping.offer()
        tools = [use.name for use in answer.uses]
        log.info("the model answered", turn=self.meter.turns, tools=tools, provider=answer.provider)

    async def count_lost(self, answer: Answer) -> None:
        """Count what an answer cost that was cut off; not for long, as the run may have been told to stop."""
        with suppress(TimeoutError, RigError):
            async with asyncio.timeout(LOST_SECONDS):
                await self.count(answer)

    async def use(self, uses: Sequence[ToolUse]) -> list[ToolResult]:
        """Make the calls of one turn; `result` stands afterwards if it was handed in and taken.

        Raises:
            Stuck: The model gives up, or hands in what cannot be taken too often.
            Fenced, Superseded: The claim is over.
        """
        local = [use for use in uses if use.name in (FINISH, GIVE_UP)]
        results = await self._toolbelt.use([use for use in uses if use not in local])
        said = {result.id: result for result in results}
        if local:
            problem = await self._end(local)
            said |= {use.id: ToolResult(use.id, problem or TAKEN, is_error=bool(problem)) for use in local}
        told = self._with_messages([said[use.id] for use in uses])
        self._prompt_tokens += tokens_at_most(result.text for result in told)
        self._seen.extend(f"← {result.text[:300]}" for result in told if result.is_error)
        for result in told:
            self._say(f"← {unfenced(result.text)[:300]}")
        return told

    async def denied(self, tool: str, reason: str) -> None:
        """Note a call that the guard denied before it came here; raises as `use` does."""
        self._seen.append(f"← {reason[:300]}")
        self._say(f"← {reason[:300]}")
        await self._toolbelt.denied(tool, reason)

    def _with_messages(self, told: list[ToolResult]) -> list[ToolResult]:
        """What was sent to the run meanwhile stands at the end of the last answer."""
        if self.result is None and told and (letters := self._inbox.take()):
            told[-1] = replace(told[-1], text=f"{told[-1].text}\n\n{letters}".lstrip())
        return told

    def nudge(self) -> str:
        """What to say to a model that ended its turn without a result.

        Raises:
            Stuck: It was told before.
        """
        if self._nudged:
            raise Stuck("no_result", "The model ended its turn twice without a result.")
        self._nudged = True
        self._prompt_tokens += tokens_at_most([NUDGE])
        return NUDGE

    async def _end(self, uses: Sequence[ToolUse]) -> str | None:
        """Take the result if it holds, else say what is wrong with it."""
        async with self._ending:  # a program may hand in two at once
            if self.result is not None:
                return self._refused("A result is taken already.")
            if uses[0].problem or len(uses) > 1:
                return self._refused(uses[0].problem or "Hand in one result, once.")
            try:
                if uses[0].name == GIVE_UP:
                    given = GiveUp.model_validate(uses[0].input)
                    raise Stuck(given.error_class, given.reason)
                result = self._model.model_validate(uses[0].input)
            except ValidationError as error:
                return self._refused(problems(error))
            if letters := self._inbox.take():
                return f"{UNREAD}\n\n{letters}"
            problem = await self._accept(result)
            self.result = None if problem else result
            return problem

    def _refused(self, problem: str) -> str:
        self._invalid += 1
        if self._invalid >= INVALID_RESULTS:
            raise Stuck("invalid_result", f"The model handed in {self._invalid} results that are not valid.", problem)
        return f"invalid_input: {problem}"


AnyConversation = Conversation[Any]
