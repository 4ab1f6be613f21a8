"""What the providers have in common whose program runs the loop around the model: Claude Code and Codex."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from agents.conversation import AnyConversation
from agents.errors import NoModel, UsageLimited
from agents.prices import ModelPrice
from agents.providers.endpoint import Endpoint, serving
from agents.providers.limits import UNKNOWN
from agents.providers.program import Program, running
from agents.transcripts import Kept
from servers.kit.character import Llm
from servers.kit.errors import RateLimited, Unavailable
from servers.kit.logs import get

log = get(__name__)
FAREWELL_SECONDS = 2.0
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0
GO_ON = "You were interrupted. Go on where you stopped."


class Lost(Exception):
    """The program does not know the session that it should go on with."""


@dataclass(frozen=True)
class Start:
    """How to start the program once.

    Attributes:
        words: What the model is told now.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    words: Path


class Seat(Protocol):
    """One conversation with the program of one provider, over as many processes as it takes."""

    def endpoint(self, price: ModelPrice, max_tokens: int) -> Endpoint:
        """The tools of the conversation, as the program takes them."""
        ...

    async def restore(self, kept: Kept | None) -> str:
        """Put an earlier session in place; answers what was said in it, or nothing where it cannot be used."""
        ...

    async def start(self, endpoint: Endpoint, words: str) -> Start:
        """How to start the program, with the session as it is."""
        ...

    async def listen(self, program: Program, endpoint: Endpoint) -> None:
        """Follow a process to its end, telling the endpoint of every answer of the model.

        Raises:
            Stuck, NoModel, UsageLimited, BudgetExceeded, Unavailable, Lost: How it ended, unless its turn is over.
        """
        ...

    def begun(self) -> bool:
        """Whether there is a session to go on with."""
        ...

    def forget(self) -> None:
        """Begin afresh with the next process."""
        ...

    def kept(self) -> Kept | None:
        """The session, for a later run."""
        ...


class Cli:
    """Lets a program work on a conversation.

    Args:
        patience_seconds: How long the model may be away, beyond the program's own retries.
        seat: Prepares a conversation in a folder of the run.
    """

    def __init__(
        self, name: str, llm: Llm, price: ModelPrice, patience_seconds: float, seat: Callable[[AnyConversation], Seat]
    ) -> None:
        self.name = name
        self._llm = llm
        self._price = price
        self._patience = patience_seconds
        self._seat = seat

    async def work(self, conversation: AnyConversation) -> None:
        """Serve the conversation's tools, and have the program work until there is a result."""
        seat = self._seat(conversation)
        earlier = await seat.restore(await conversation.transcripts.find(self.name))
        endpoint = seat.endpoint(self._price, self._llm.max_tokens)
        async with serving(endpoint), conversation.kept(self.name, seat.kept):
            await self._talk(conversation, seat, endpoint, conversation.begin(earlier))

    async def aclose(self) -> None:
        """Nothing outlives a run."""

    async def _talk(self, conversation: AnyConversation, seat: Seat, endpoint: Endpoint, words: str) -> None:
        patience = _Patience(self._patience)
        while conversation.result is None:
            turns = conversation.meter.turns
            try:
                await self._process(seat, endpoint, words)
                words = conversation.nudge() if conversation.result is None else ""
            except Lost as error:
                log.info("the session is not to be had; the work starts afresh", reason=str(error))
                seat.forget()
                words = conversation.begin()
            except Unavailable as error:
                if conversation.meter.turns > turns:
                    patience = _Patience(self._patience)
                await patience.wait(self.name, error)
                words = GO_ON if seat.begun() else words

    async def _process(self, seat: Seat, endpoint: Endpoint, words: str) -> None:
        """One process, until its turn is over or the run is."""
        await endpoint.require_room()
        start = await seat.start(endpoint, words)
        async with running(start.argv, start.folder, start.environment, start.words) as program:
            log.info("a provider's program works", provider=self.name, pid=program.pid)
            listening = asyncio.ensure_future(seat.listen(program, endpoint))
            over = asyncio.ensure_future(endpoint.over.wait())
            try:
                await asyncio.wait({listening, over}, return_when=asyncio.FIRST_COMPLETED)
                if endpoint.failure is not None:
                    raise endpoint.failure
                if not endpoint.over.is_set():
                    await listening
                elif endpoint.answers_last:
                    await _farewell(listening)
            finally:
                for task in (listening, over):
                    task.cancel()
                await asyncio.gather(listening, over, return_exceptions=True)


async def _farewell(listening: asyncio.Future[None]) -> None:
    """Let the program say what it spent; the result is taken, so nothing that it says now is a failure."""
    await asyncio.wait({listening}, timeout=FAREWELL_SECONDS)
    if listening.done() and not listening.cancelled() and (error := listening.exception()):
        log.info("the program ended badly after its result", reason=str(error))


class _Patience:
    """Waits longer and longer, up to a limit."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._wait = FIRST_WAIT_SECONDS

    async def wait(self, provider: str, error: Unavailable) -> None:
        """Wait a little.

        Raises:
            NoModel, UsageLimited: It took long enough.
        """
        if time.monotonic() + self._wait >= self._ends:
            if isinstance(error, RateLimited):
                raise UsageLimited(provider, datetime.now(UTC) + UNKNOWN, str(error)) from error
            raise NoModel(f"The model is away: {error}") from error
        log.info("the model is away for a moment", reason=str(error))
        await asyncio.sleep(self._wait)
        self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)
