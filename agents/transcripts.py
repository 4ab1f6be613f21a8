"""What was said in a run, kept at the conductor so that a later run on the same work can go on with it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from servers.kit.errors import RigError
from servers.kit.logs import get, redact

log = get(__name__)
FORMAT = 1
LARGEST = 16_000_000  # characters, unpacked
PACKED = 2_500_000  # characters, as they are sent
LARGEST_MEANWHILE = 4_000_000
KEEP_SECONDS = 20.0
AGAIN_SECONDS = 0.5
SELDOM = 20  # times as long as keeping it took


class Kept(BaseModel):
    """What a provider said in one run.

    Attributes:
        session: The provider's own name of it.
        lines: JSON, a value a line.
    """

    session: str
    lines: str


class Transcripts(Protocol):
    """Where transcripts of the work in hand are kept, one a provider."""

    async def find(self, provider: str) -> Kept | None:
        """What was kept last, or None: a transcript is a help, and its absence or failure no error."""
        ...

    async def keep(self, provider: str, kept: Kept) -> None:
        """Replace what was kept, if that can be done."""
        ...


class Keeping:
    """Keeps the transcript of a conversation at its end, and now and then while it goes on: a process may be killed.

    Args:
        said: What was said up to now.
        seconds: How long to wait at least after keeping it; a long one is kept more seldom.
    """

    def __init__(
        self,
        transcripts: Transcripts,
        provider: str,
        said: Callable[[], Kept | None],
        seconds: float = KEEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transcripts = transcripts
        self._provider = provider
        self._said = said
        self._seconds = seconds
        self._clock = clock
        self._due = clock()
        self._keeping: asyncio.Task[None] | None = None

    def offer(self) -> None:
        """There is more to keep; nobody waits for it."""
        if self._clock() >= self._due and (self._keeping is None or self._keeping.done()):
            self._keeping = asyncio.create_task(self._meanwhile(), name="keeping the transcript")

    async def close(self) -> None:
        """Keep all of it."""
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if kept := self._said():
            await self._transcripts.keep(self._provider, kept)

    async def _meanwhile(self) -> None:
        while (kept := self._said()) is None:  # noqa: ASYNC110 - a program writes it a little after it says so
            await asyncio.sleep(AGAIN_SECONDS)
        began = self._clock()
        if len(kept.lines) <= LARGEST_MEANWHILE:
            await self._transcripts.keep(self._provider, kept)
        self._due = self._clock() + max(self._seconds, SELDOM * (self._clock() - began))


class NoTranscripts:
    """Forgets."""

    async def find(self, provider: str) -> Kept | None:
        return None

    async def keep(self, provider: str, kept: Kept) -> None:
        return None


class AtConductor:
    """Transcripts of one claim's work.

    Args:
        call: Calls a tool of the conductor under the claim.
        attempt: Number of the attempt; another attempt begins afresh.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]], attempt: int) -> None:
        self._call = call
        self._attempt = attempt

    async def find(self, provider: str) -> Kept | None:
        try:
            answer = await self._call("get_transcript", provider=provider)
        except RigError as error:
            log.info("no transcript is to be had", provider=provider, reason=str(error))
            return None
        return unpack(str(answer.get("content") or ""), self._attempt)

    async def keep(self, provider: str, kept: Kept) -> None:
        content = await asyncio.to_thread(pack, kept, self._attempt)
        if content is None:
            log.info("the transcript is not kept: it is too long", provider=provider, characters=len(kept.lines))
            return
        try:
            await self._call("keep_transcript", provider=provider, content=content)
        except RigError as error:
            log.info("the transcript is not kept", provider=provider, reason=str(error))


def pack(kept: Kept, attempt: int) -> str | None:
    """A transcript as it is sent: redacted, compressed, as base64; None if it is too long for that."""
    if len(kept.lines) > LARGEST:
        return None
    lines = "\n".join(filter(None, (_clean(line) for line in kept.lines.split("\n"))))
    whole = {"format": FORMAT, "attempt": attempt, "session": kept.session, "lines": lines}
    packed = base64.b64encode(zlib.compress(json.dumps(whole).encode())).decode()
    return packed if len(packed) <= PACKED else None


def unpack(content: str, attempt: int) -> Kept | None:
    """The transcript that was sent, or None if it is damaged, another attempt's, or of another version."""
    if not content:
        return None
    try:
        inflating = zlib.decompressobj()
        raw = inflating.decompress(base64.b64decode(content, validate=True), 4 * LARGEST)
        whole = json.loads(raw)
        if (whole["format"], whole["attempt"]) != (FORMAT, attempt):
            return None
        return Kept.model_validate(whole)
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, ValidationError) as error:
        log.warning("a transcript is damaged; the work starts afresh", reason=str(error)[:200])
        return None


def _clean(line: str) -> str:
    """A line without what looks like a credential."""
    try:
        return json.dumps(_redacted(json.loads(line)), ensure_ascii=False)
    except ValueError:
        return ""


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _redacted(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
