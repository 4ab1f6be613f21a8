"""Does in the world what events ask for: at least once, each lane in order, looking before it writes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from conductor.dispatch.chores import Chores
from conductor.effects.hands import Hands
from conductor.effects.kinds import HANDLERS
from conductor.effects.lanes import LEASE_SECONDS, Due, Lanes, Later, LeaseLost
from conductor.github import GitHub
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.merge.gate import Policy
from conductor.merge.train import MergeTrain
from conductor.store.writer import EFFECTS, Store
from conductor.text import storable
from servers.kit.errors import RateLimited, Refused, RigError, Unavailable, Unsettled
from servers.kit.logs import get

LIMIT_SECONDS = 120.0
MAX_ATTEMPTS = 25
MAX_BACKOFF_SECONDS = 60
AWAY_ATTEMPTS = 7  # as many as lead to the longest backoff; no more count while GitHub is away
log = get(__name__)


class Effects:
    """Works off the effects table; several processes may do so at once.

    Args:
        train: Whether every pull request has to contain the base before it lands, or only where GitHub demands it.
        chores: Where work for characters by name is kept; without it nobody is asked.
        judge: The character that scores merged work, if any.
        concurrency: Effects that this process does at one time.
        lease_seconds: After so long what a killed process was doing is taken over.
        limit_seconds: An effect that takes longer is broken off and tried again.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        policy: Policy,
        train: MergeTrain = "always",
        chores: Chores | None = None,
        judge: str = "",
        concurrency: int = 4,
        lease_seconds: float = LEASE_SECONDS,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self.store = store
        self.lanes = Lanes(store, lease_seconds)
        self.hands = Hands(store, github, policy, self.lanes, train, chores, judge)
        self._concurrency = concurrency
        self._limit = limit_seconds

    async def release(self) -> None:
        """Take back what a killed process was doing; only where no other process can be at it."""
        await self.lanes.release()

    async def look_now(self, stream: str) -> None:
        """Look at an issue's pull request at once, because somebody asks."""
        await self.hands.look(stream, "asked")

    async def run(self) -> None:
        """Do effects for ever; a slow one holds up its lane and nothing else."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._work_on())

    async def _work_on(self) -> None:
        while True:
            seen = self.store.wake.count(EFFECTS)
            try:
                if await self.work(1):
                    continue
                pause = await self.lanes.idle_seconds()
            except Unavailable as error:
                log.warning("effects wait for the database", error=str(error))
                pause = 0.5
            await self.store.wake.wait(EFFECTS, pause, seen)

    async def work(self, limit: int = 100) -> int:
        """Do what is due now, at most `limit` effects; how many there were."""
        taken = await self.lanes.take(limit)
        await asyncio.gather(*(self._do(due) for due in taken))
        return len(taken)

    async def _do(self, due: Due) -> None:
        try:
            async with self.lanes.held(due):
                held = await self._attempt(due)
        except LeaseLost:
            held = False
        if not held:
            log.warning("another process took over", effect=due.kind, key=due.key)

    async def _attempt(self, due: Due) -> bool:
        try:
            async with asyncio.timeout(self._limit):
                later = await self._handle(due)
        except (Unsettled, TimeoutError) as error:
            over = due.attempts >= MAX_ATTEMPTS
            return await (self._give_up(due, _words(error)) if over else self._put_off(due, error, due.attempts))
        except Unavailable as error:
            return await self._put_off(due, error, min(due.attempts, AWAY_ATTEMPTS))
        except RigError as error:
            return await self._give_up(due, str(error))
        except Exception as error:
            log.exception("effect failed", effect=due.kind, key=due.key)
            return await self._give_up(due, f"{type(error).__name__}: {error}")
        return await (self.lanes.park(due, later) if later else self.lanes.finish(due, "done"))

    async def _handle(self, due: Due) -> Later | None:
        handler = HANDLERS.get(due.kind)
        if handler is None:
            raise Unsettled(f"This version of the rig does not know how to {due.kind}; a newer one does.")
        _, issue = await self.store.load(due.stream)
        return await handler(self.hands, due, issue)

    async def _put_off(self, due: Due, error: Exception, attempts: int) -> bool:
        words = storable(_words(error))
        seconds = min(0.5 * 2 ** (due.attempts - 1), MAX_BACKOFF_SECONDS)
        if isinstance(error, RateLimited) and error.retry_after is not None:
            seconds = error.retry_after
        log.info("effect put off", effect=due.kind, key=due.key, error=words, seconds=seconds)
        return await self.lanes.postpone(due, seconds, words, attempts)

    async def _give_up(self, due: Due, error: str) -> bool:
        log.warning("effect given up", effect=due.kind, key=due.key, error=error)
        failed = c.RecordEffectFailed(due.kind, storable(error))
        try:
            with suppress(Refused):
                await handle(self.store, due.stream, failed, "conductor", due.key)
        except Unavailable as away:
            return await self.lanes.postpone(due, 1.0, str(away), due.attempts)
        return await self.lanes.finish(due, "failed", failed.error)


def _words(error: Exception) -> str:
    return str(error) or "It took too long."
