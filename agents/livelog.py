"""What a run says while it works: sent to the conductor as it is said, in small batches that nothing waits for."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from servers.kit.errors import RigError, Unavailable
from servers.kit.logs import get, redact

log = get(__name__)
GATHER_SECONDS: Final = 0.03  # what is said together goes together
REST_SECONDS: Final = 0.1  # between two batches, for sending one takes time that the run has better use for
AGAIN_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 2.0
MOST_WAITING: Final = 2000
AT_ONCE: Final = 200
LONGEST: Final = 2000
SHOWN: Final = 40
_FENCE = re.compile(r"</?untrusted-[^>\n]*>\n?")

Say = Callable[[str], None]
Send = Callable[[list[dict[str, Any]]], Awaitable[None]]


def unfenced(text: str) -> str:
    """`text` without the marks that tell a model where other people's words begin and end."""
    return _FENCE.sub("", text)


def say_nothing(_: str) -> None:
    """Where nobody listens."""


@dataclass(frozen=True)
class Line:
    """Something that was said; `step` if it names a step that began."""

    text: str
    step: bool
    at: datetime
    since: float
    number: int


class LiveLog:
    """The lines of one run.

    Args:
        send: Hands lines to the conductor.
        clock: Seconds that only grow.
        gather_seconds: How long a batch waits for what is said along with it.

    Each line arrives once, however often it is sent: it has a number, which no earlier process of the run had.

    Attributes:
        recent: The last lines.
        lost: How many lines were given up, because the conductor was away for too long or did not want them.
    """

    def __init__(
        self, send: Send, clock: Callable[[], float] = time.monotonic, gather_seconds: float = GATHER_SECONDS
    ) -> None:
        self._send = send
        self._clock = clock
        self._gather_seconds = gather_seconds
        self._waiting: deque[Line] = deque()
        self._said = asyncio.Event()
        self._delivering = asyncio.Lock()
        self._numbers = itertools.count(time.time_ns())
        self.recent: deque[Line] = deque(maxlen=SHOWN)
        self.lost = 0

    def say(self, text: str) -> None:
        """Tell whoever follows the run, without what looks like a credential."""
        self._add(text, step=False)

    def step(self, name: str) -> None:
        """A step begins."""
        self._add(name, step=True)

    @asynccontextmanager
    async def sending(self) -> AsyncGenerator[None]:
        """Send what is said meanwhile, and at the end what is left."""
        running = asyncio.create_task(self.run())
        try:
            yield
        finally:
            await self.flush()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def run(self) -> NoReturn:
        """Send for ever what is said."""
        while True:
            await self._said.wait()
            await asyncio.sleep(self._gather_seconds)
            went = await self._deliver()
            await asyncio.sleep(REST_SECONDS if went else AGAIN_SECONDS)

    async def flush(self, seconds: float = FAREWELL_SECONDS) -> None:
        """Send what is left, for so long at most."""
        try:
            async with asyncio.timeout(seconds):
                while self._waiting and await self._deliver():
                    pass
        except TimeoutError:
            log.info("the last lines were not sent", lines=len(self._waiting))

    def _add(self, text: str, *, step: bool) -> None:
        text = redact(text.strip())
        if not text:
            return
        cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        line = Line(cut, step, datetime.now(UTC), self._clock(), next(self._numbers))
        self.recent.append(line)
        self._waiting.append(line)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._said.set()

    async def _deliver(self) -> bool:
        """Send the oldest lines; whether it makes sense to go on at once."""
        async with self._delivering:
            return await self._deliver_oldest()

    async def _deliver_oldest(self) -> bool:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
        if not batch:
            self._said.clear()
            return True
        try:
            await self._send(self._packed(batch))
        except Unavailable:
            self._waiting.extendleft(reversed(batch))
            return False
        except RigError as error:
            log.info("lines were not wanted", reason=str(error))
            self.lost += len(batch)
        except asyncio.CancelledError:
            self._waiting.extendleft(reversed(batch))
            raise
        if not self._waiting:
            self._said.clear()
        return True

    def _packed(self, batch: Sequence[Line]) -> list[dict[str, Any]]:
        now = self._clock()
        return [
            {"text": said.text, "step": said.step, "ago": round(max(now - said.since, 0), 3), "number": said.number}
            for said in batch
        ]
