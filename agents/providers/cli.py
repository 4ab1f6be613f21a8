"""What the providers have in common whose program runs the loop around the model: Claude Code and Codex."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agents.conversation import AnyConversation
from agents.errors import NoModel, UsageLimited
from agents.prices import ModelPrice
from agents.providers.endpoint import Endpoint, serving
from agents.providers.hooks import guarding
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
SESSION = re.compile(r"[0-9a-f-]{36}")
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


@dataclass(frozen=True)
class Setup:
    """What a provider's program works with.

    Attributes:
        program: Its name in PATH, or its path.
        keys: The variables with its model's key, and nothing else of ours.
        patience: How long the model may be away, beyond the program's own retries.
    """

    llm: Llm
    program: str
    keys: Mapping[str, str]
    price: ModelPrice
    patience: timedelta


class Seat(ABC):
    """One conversation with the program of one provider, over as many processes as it takes.

    Args:
        home: The program's own folder, in that of the run.
    """

    def __init__(self, conversation: AnyConversation, setup: Setup, home: str) -> None:
        self._conversation = conversation
        self._setup = setup
        self._home = conversation.brief.folder / home
        self._work = self._home / "work"
        self._session = self._new_session()

    @property
    def denied(self) -> Path:
        """The file in which the guard's hook notes what it denies."""
        return self._home / "denied.jsonl"

    @property
    def guard(self) -> str:
        """The command of that hook."""
        return guarding(self._conversation.brief.folder / "tree", self.denied)

    @abstractmethod
    def endpoint(self) -> Endpoint:
        """The tools of the conversation, as the program takes them."""

    @abstractmethod
    async def start(self, endpoint: Endpoint, words: str) -> Start:
        """How to start the program, with the session as it is."""

    @abstractmethod
    async def listen(self, program: Program, endpoint: Endpoint) -> None:
        """Follow a process to its end, telling the endpoint of every answer of the model.

        Raises:
            Stuck, NoModel, UsageLimited, BudgetExceeded, Unavailable, Lost: How it ended, unless its turn is over.
        """

    @abstractmethod
    def _new_session(self) -> str:
        """The name of a session that is to begin, where the program does not choose it."""

    @abstractmethod
    def _place(self) -> Path:
        """Where the program looks for an earlier session."""

    @abstractmethod
    def _file(self) -> Path | None:
        """Where the program keeps the session, once it has begun."""

    async def restore(self, kept: Kept | None) -> str:
        """Put an earlier session in place; answers what was said in it, or nothing where it cannot be used."""
        shutil.rmtree(self._home, ignore_errors=True)
        self._work.mkdir(parents=True, mode=0o700)
        if kept is None or not SESSION.fullmatch(kept.session):
            return ""
        self._session = kept.session
        place = self._place()
        place.parent.mkdir(parents=True)
        place.write_text(f"{kept.lines}\n", encoding="utf-8")
        return kept.lines

    def begun(self) -> bool:
        """Whether there is a session to go on with."""
        return self._file() is not None

    def forget(self) -> None:
        """Begin afresh with the next process."""
        self._session = self._new_session()

    def kept(self) -> Kept | None:
        """The session, for a later run."""
        file = self._file()
        try:
            return Kept(session=self._session, lines=file.read_text(encoding="utf-8")) if file else None
        except (OSError, UnicodeDecodeError):
            return None


class Cli:
    """Lets a program work on a conversation.

    Args:
        seat: Prepares a conversation in a folder of the run.
    """

    def __init__(self, name: str, setup: Setup, seat: Callable[[AnyConversation, Setup], Seat]) -> None:
        self.name = name
        self._setup = setup
        self._seat = seat

    async def work(self, conversation: AnyConversation) -> None:
        """Serve the conversation's tools, and have the program work until there is a result."""
        seat = self._seat(conversation, self._setup)
        earlier = await seat.restore(await conversation.transcripts.find(self.name))
        endpoint = seat.endpoint()
        async with serving(endpoint), conversation.kept(self.name, seat.kept):
            await self._talk(conversation, seat, endpoint, conversation.begin(earlier))

    async def aclose(self) -> None:
        """Nothing outlives a run."""

    async def _talk(self, conversation: AnyConversation, seat: Seat, endpoint: Endpoint, words: str) -> None:
        patience = _Patience(self._setup.patience)
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
                    patience = _Patience(self._setup.patience)
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
                await endpoint.look()
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

    def __init__(self, patience: timedelta) -> None:
        self._ends = time.monotonic() + patience.total_seconds()
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
