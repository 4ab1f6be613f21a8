"""What is due by the clock is offered once: in several conductors, after an outage, while it waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from conductor.dispatch.chores import Chores
from conductor.dispatch.schedules import LOOK_SECONDS, Schedules
from conductor.store.writer import Store
from servers.kit.character import Character, parse
from servers.kit.clock import ManualClock
from servers.kit.database import Pool
from servers.kit.tools import Caller
from servers.kit.wake import LocalWake, background

START = datetime(2026, 1, 5, 6, 30, tzinfo=UTC)
WEEK = timedelta(days=7).total_seconds()
EMAIL = "arch@example.org"
TEXT = f"""
name: architect-e
role: architect
personality: You are Architect-E.
git: {{name: Architect-E, email: {EMAIL}}}
cron:
  - {{schedule: "0 7 * * 1", prompt: "Look around.\\nThen propose.", repository: ada/tally}}
"""


class Clockwork:
    """Two conductors on one database, on one clock."""

    def __init__(self, pool: Pool) -> None:
        self.clock = ManualClock(START)
        self.store = Store(pool, LocalWake(), self.clock)
        self.character: Character = parse(TEXT, "architect-e.yaml")
        catalogue = {self.character.name: self.character}
        self.chores = Chores(self.store, catalogue)
        self.each = [Schedules(self.store, catalogue) for _ in range(2)]

    async def look(self) -> int:
        """Both look at once; how much they offer."""
        return sum(await asyncio.gather(*(schedules.look() for schedules in self.each)))

    async def keys(self) -> list[str]:
        rows = await self.store.pool.fetch("SELECT key FROM chores ORDER BY id")
        return [row["key"].rpartition(":cron")[2].partition(":architect-e:")[2][17:] for row in rows]


async def test_what_is_due_is_offered_once_by_however_many_conductors(pool: Pool) -> None:
    work = Clockwork(pool)
    async with background(work.store.run()):
        assert await work.look() == 0  # what was due before it was known is not
        work.clock.advance(1800)
        assert await work.look() == 1
        assert await work.look() == 0
        assert await work.keys() == ["2026-01-05T07:00:00+00:00"]
        row = await pool.fetchrow("SELECT kind, agent, repository, title, body, data FROM chores")
        assert row is not None
        assert tuple(row)[:5] == ("chore", "architect-e", "ada/tally", "Look around.", "Look around.\nThen propose.")
        assert row["data"] == {"schedule": "0 7 * * 1", "due": "2026-01-05T07:00:00+00:00"}


async def test_what_was_missed_is_offered_once(pool: Pool) -> None:
    work = Clockwork(pool)
    async with background(work.store.run()):
        await work.look()
        work.clock.advance(5 * WEEK)
        assert await work.look() == 1
        assert await work.keys() == ["2026-02-02T07:00:00+00:00"]


async def test_a_character_that_is_away_is_asked_once_and_again_when_it_has_answered(pool: Pool) -> None:
    work = Clockwork(pool)
    async with background(work.store.run()):
        await work.look()
        work.clock.advance(1800)
        assert await work.look() == 1
        work.clock.advance(WEEK)
        assert await work.look() == 0
        agent = Caller("architect-e", "architect", "architect-e-1", "1", None, None)
        assert await work.chores.take(agent, ["chore"]) is not None
        work.clock.advance(WEEK)
        assert await work.look() == 1
        assert len(await work.keys()) == 2


async def test_the_loop_wakes_when_something_is_due(pool: Pool) -> None:
    work = Clockwork(pool)
    seconds = work.each[0]._seconds  # pyright: ignore[reportPrivateUsage] - what the loop sleeps
    assert seconds(START) == LOOK_SECONDS
    assert seconds(START + timedelta(minutes=29, seconds=55)) == 5


async def test_without_prompts_nothing_is_looked_for(pool: Pool) -> None:
    await Schedules(Clockwork(pool).store, {}).run()
