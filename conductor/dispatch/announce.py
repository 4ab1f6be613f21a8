"""Announces work in Valkey, for KEDA and for foreign runtimes; all of it follows from the database at any time."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from conductor.dispatch.outlook import Offer, Outlook, Work, outlook
from conductor.store.records import PRIORITY_RANK
from conductor.store.writer import EVENTS, Store
from servers.kit.character import Character
from servers.kit.errors import Unavailable
from servers.kit.logs import get
from servers.kit.wake_valkey import AWAY

SCRIPT = Path(__file__).with_name("announce.lua").read_text(encoding="utf-8")
DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
DEBOUNCE_SECONDS = 0.05
REPAIR_SECONDS = 5.0
RETRY_SECONDS = 1.0
REPEAT_MILLISECONDS = 10 * 60 * 1000
LIVES_SECONDS = 24 * 3600
SHORTEST_STREAM = 10_000
STALE = b"stale"
PRIORITIES = {rank: priority for priority, rank in PRIORITY_RANK.items()}
log = get(__name__)


class Announcer:
    """Rewrites `signal:{character}` and `assignments:{character}` from a query; any number of processes may.

    Args:
        catalogue: The characters that work is announced to.
    """

    def __init__(
        self,
        store: Store,
        valkey: Redis,
        catalogue: Mapping[str, Character],
        repeat_milliseconds: int = REPEAT_MILLISECONDS,
    ) -> None:
        self.store = store
        self.valkey = valkey
        self.problem: str | None = None
        self._catalogue = catalogue
        self._repeat = repeat_milliseconds
        self._announced: dict[str, set[tuple[str, int]]] = {name: set() for name in catalogue}

    async def run(self) -> None:
        """Announce after each commit, at most every 50 ms, and every 5 s to repair what Valkey may have lost."""
        while True:
            seen, began = self.store.wake.count(EVENTS), self.store.clock.monotonic()
            try:
                await self.publish()
            except Unavailable as error:
                if self.problem is None:
                    log.warning("work cannot be announced", error=str(error))
                self.problem, again = str(error), RETRY_SECONDS
            else:
                self.problem, again = None, REPAIR_SECONDS
            took = self.store.clock.monotonic() - began
            await self.store.clock.sleep(max(DEBOUNCE_SECONDS, 2 * took))
            await self.store.wake.wait(EVENTS, again, seen)

    async def publish(self) -> None:
        """Make Valkey say what the database says now.

        Raises:
            Unavailable: One of them is away.
        """
        look = await outlook(self.store, self._catalogue)
        try:
            for name in self._catalogue:
                await self.tell(look, name)
        except AWAY as error:
            raise Unavailable(f"Valkey cannot be reached ({type(error).__name__}).") from error

    async def tell(self, look: Outlook, name: str) -> None:
        """Rewrite what one character is told; what others wrote to the rig's keys is swept out."""
        try:
            await self._tell(look, name)
        except ResponseError as error:
            if type(error) is not ResponseError:  # such as too little memory: nobody's garbage
                raise
            log.warning("the rig's keys held garbage", character=name, error=str(error))
            await self.valkey.delete(*_keys(name))
            self._announced[name] = set()
            await self._tell(look, name)

    async def _tell(self, look: Outlook, name: str) -> None:
        """In full where Valkey forgot what was announced before."""
        work = look.of[name]
        answer = await self._evaluate(name, self._arguments(look.position, name, work))
        if answer == STALE:
            return
        if answer:
            self._announced[name] = set()
            await self._evaluate(name, self._arguments(look.position, name, work))
        self._announced[name] = {(offer.id, offer.since) for offer in work.open}

    async def _evaluate(self, name: str, arguments: Sequence[str | int]) -> Any:
        keys = _keys(name)
        try:
            return await self.valkey.evalsha(DIGEST, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.valkey.eval(SCRIPT, len(keys), *keys, *arguments)

    def _arguments(self, position: int, name: str, work: Work) -> list[str | int]:
        announced = self._announced[name]
        ids = [offer.id for offer in work.open]
        known: list[str | int] = []
        fresh: list[str | int] = []
        for offer in work.open:
            if (offer.id, offer.since) in announced:
                known += (offer.id, offer.since)
            else:
                fresh += _announcement(offer)
        longest = max(SHORTEST_STREAM, 4 * len(ids))
        start = [position, self._repeat, longest, LIVES_SECONDS, len(ids) + len(work.in_flight)]
        return [*start, *ids, *work.in_flight, len(known) // 2, *known, *fresh]


def _keys(name: str) -> list[str]:
    return [f"{what}:{name}" for what in ("signal", "assignments", "announced", "announcing")]


def _announcement(offer: Offer) -> tuple[str | int, ...]:
    offered_at = datetime.fromtimestamp(offer.since / 1_000_000, UTC).isoformat(timespec="milliseconds")
    about = (offer.issue, offer.kind, PRIORITIES[offer.priority], offer.fence, offer.attempt, offered_at)
    return (offer.id, offer.since, *about)
