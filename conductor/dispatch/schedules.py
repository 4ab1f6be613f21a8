"""Offers what characters do by the clock, once for each time it is due, however many conductors look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from conductor.dispatch.chores import Chore, keep
from conductor.store.writer import ASSIGNMENTS, Store, connection_of
from servers.kit.character import Character
from servers.kit.database import load_queries
from servers.kit.errors import RigError, Unavailable
from servers.kit.logs import get
from servers.kit.schedule import CronPrompt

SQL = load_queries(Path(__file__).with_name("schedules.sql"))
LOOK_SECONDS = 20.0
log = get(__name__)


class Schedules:
    """What is due becomes a chore of its character.

    What was missed while no conductor ran is offered once, and nothing is while the last one still waits for
    somebody: a character that was away for a month is asked once.

    Args:
        catalogue: The characters that exist, by name.
    """

    def __init__(self, store: Store, catalogue: Mapping[str, Character]) -> None:
        self._store = store
        self._catalogue = catalogue

    async def run(self) -> None:
        """Look for ever, soon after something is due."""
        while any(self._prompts()):
            try:
                await self.look()
            except Unavailable as error:
                log.warning("schedules wait for the database", error=str(error))
            except RigError:
                log.exception("a schedule failed")
            await self._store.clock.sleep(self._seconds(self._store.clock.now()))

    async def look(self) -> int:
        """Offer what is due; how much that was."""
        now = self._store.clock.now()
        return sum([await self._look_at(agent, prompt, now) for agent, prompt in self._prompts()])

    def _prompts(self) -> Iterator[tuple[str, CronPrompt]]:
        for character in self._catalogue.values():
            for prompt in character.cron:
                yield character.name, prompt

    def _seconds(self, now: datetime) -> float:
        soon = [(due - now).total_seconds() for _, prompt in self._prompts() if (due := prompt.next_due(now))]
        return max(0.0, min([LOOK_SECONDS, *soon]))

    async def _look_at(self, agent: str, prompt: CronPrompt, now: datetime) -> bool:
        due = prompt.last_due(now)
        if due is None:
            return False
        chore = _chore(agent, prompt, due)
        async with connection_of(self._store.pool) as connection, connection.transaction():
            await connection.execute(SQL["begin"], agent, prompt.name, now)
            waits = await connection.fetchval(SQL["fire"], agent, prompt.name, due)
            if waits is None:
                return False
            number = None if waits else await keep(connection, chore)
            if number is not None:
                await connection.execute(SQL["offered"], agent, prompt.name, number)
        if number is None:
            log.info("what is due waits already", agent=agent, title=chore.title)
            return False
        await self._store.wake.publish(ASSIGNMENTS)
        log.info("offered what is due", agent=agent, title=chore.title, due=due.isoformat())
        return True


def _chore(agent: str, prompt: CronPrompt, due: datetime) -> Chore:
    first = prompt.prompt.strip().partition("\n")[0]
    return Chore(
        kind="chore",
        agent=agent,
        key=f"cron:{agent}:{prompt.name}:{due.isoformat()}",
        title=first if len(first) <= 100 else f"{first[:99]}…",
        body=prompt.prompt,
        repository=prompt.repository,
        data={"schedule": prompt.schedule, "due": due.isoformat()},
    )
