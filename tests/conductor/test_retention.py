"""What has served its time is forgotten, everything else and the log are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from conductor.retention import BATCH, Ages, Retention, forget
from conductor.store.writer import Store
from servers.kit.clock import ManualClock
from servers.kit.database import Pool
from servers.kit.wake import background
from tests.conductor.conftest import Approve
from tests.fixtures_waiting import Eventually

AGES = Ages()
DELIVERY = "INSERT INTO deliveries (guid, state, received_at) VALUES"
EFFECT = "INSERT INTO effects (key, state, done_at) VALUES"
SHORT = """
ALTER TABLE deliveries ALTER event SET DEFAULT 'x', ALTER payload SET DEFAULT '{}';
ALTER TABLE effects ALTER stream SET DEFAULT 's', ALTER lane SET DEFAULT 's', ALTER kind SET DEFAULT 'k',
    ALTER data SET DEFAULT '{}';
"""
LEFT = """
SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM redeliveries) + (SELECT count(*) FROM log_lines)
     + (SELECT count(*) FROM answers) + (SELECT count(*) FROM agents) + (SELECT count(*) FROM messages)
     + (SELECT count(*) FROM effects) + (SELECT count(*) FROM transcripts)
"""
# For each kind a row of an age in days; the first is to be forgotten, those that follow are not.
ROWS: dict[str, list[tuple[str, float]]] = {
    "deliveries": [
        (f"{DELIVERY} ('a', 'done', $1)", 31),
        (f"{DELIVERY} ('b', 'waiting', $1)", 99),
        (f"{DELIVERY} ('c', 'failed', $1)", 29),
    ],
    "redeliveries": [
        ("INSERT INTO redeliveries VALUES ('a', $1)", 31),
        ("INSERT INTO redeliveries VALUES ('b', $1)", 1),
    ],
    "log_lines": [
        ("INSERT INTO log_lines (agent, text, at) VALUES ('dev-e', 'said', $1)", 31),
        ("INSERT INTO log_lines (agent, text, at) VALUES ('dev-e', 'said', $1)", 29),
    ],
    "steps": [
        ("INSERT INTO log_lines (agent, text, step, at) VALUES ('dev-e', 'working', true, $1)", 91),
        ("INSERT INTO log_lines (agent, text, step, at) VALUES ('dev-e', 'working', true, $1)", 89),
    ],
    "transcripts": [
        ("INSERT INTO transcripts VALUES ('s', 'dev-e', 'anthropic', 1, '', $1)", 31),
        ("INSERT INTO transcripts VALUES ('s', 'dev-e', 'codex-cli', 1, '', $1)", 29),
    ],
    "answers": [
        ("INSERT INTO answers VALUES ('ada', 'pause', '1', '', '{}', $1)", 31),
        ("INSERT INTO answers VALUES ('ada', 'pause', '2', '', '{}', $1)", 29),
    ],
    "agents": [
        ("INSERT INTO agents (agent, instance, role, seen_at) VALUES ('dev-e', '1', 'dev', $1)", 31),
        ("INSERT INTO agents (agent, instance, role, seen_at) VALUES ('dev-e', '2', 'dev', $1)", 29),
        ("INSERT INTO agents (agent, instance, role, seen_at) VALUES ('dev-e', 'holder', 'dev', $1)", 31),
    ],
    "messages": [
        ("INSERT INTO messages (sender, recipient, text, read_at) VALUES ('ada', 'dev-e', 'hi', $1)", 91),
        ("INSERT INTO messages (sender, recipient, text, read_at) VALUES ('ada', 'dev-e', 'hi', $1)", 89),
        ("INSERT INTO messages (sender, recipient, text, sent_at) VALUES ('ada', 'dev-e', 'hi', $1)", 400),
    ],
    "effects": [
        (f"{EFFECT} ('a', 'done', $1)", 91),
        (f"{EFFECT} ('b', 'failed', $1)", 89),
        (f"{EFFECT} ('c', 'waiting', $1)", 400),
    ],
}
CLAIM = (
    "INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)"
    " VALUES ('s', 1, 'dev-e', 'holder', '1', 'implement', 'r', now())"
)


async def aged(pool: Pool, statement: str, days: float) -> None:
    await pool.execute(statement, await pool.fetchval("SELECT now() - $1::interval", timedelta(days=days)))


def test_every_kind_that_is_forgotten_has_rows_here() -> None:
    assert ROWS.keys() == {*AGES.__struct_fields__}


async def test_of_each_kind_exactly_what_is_old_and_over_goes(pool: Pool, approve: Approve) -> None:
    await approve()
    await pool.execute(SHORT)
    await pool.execute(CLAIM)
    for statement, days in (row for rows in ROWS.values() for row in rows):
        await aged(pool, statement, days)
    assert await forget(pool, AGES) == dict.fromkeys(ROWS, 1)
    assert await forget(pool, AGES) == dict.fromkeys(ROWS, 0)
    assert await pool.fetchval(LEFT) == sum(len(rows) - 1 for rows in ROWS.values())
    assert await pool.fetchval("SELECT count(*) FROM events") == 1


async def test_much_goes_in_small_steps_and_what_somebody_has_locked_waits(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO redeliveries SELECT n::text, now() - interval '99 days' FROM generate_series(1, $1::int) n",
        2 * BATCH + 7,
    )
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM redeliveries WHERE guid = '5' FOR UPDATE")
        assert (await asyncio.wait_for(forget(pool, AGES), 20))["redeliveries"] == 2 * BATCH + 6
    assert (await forget(pool, AGES))["redeliveries"] == 1


@pytest.mark.parametrize("days", [1.0, 7.0])
async def test_how_long_is_a_setting(pool: Pool, days: float) -> None:
    await aged(pool, ROWS["redeliveries"][0][0], 3)
    assert (await forget(pool, Ages(redeliveries=days)))["redeliveries"] == (1 if days == 1.0 else 0)


async def test_it_happens_at_once_and_every_day(store: Store, pool: Pool, eventually: Eventually) -> None:
    clock = ManualClock()
    store.clock = clock

    async def empty() -> bool:
        return await pool.fetchval("SELECT count(*) = 0 FROM redeliveries")

    async with background(Retention(store, AGES).run()):
        for _ in range(2):
            await aged(pool, ROWS["redeliveries"][0][0], 31)

            async def gone() -> bool:
                clock.advance(3600)
                return await empty()

            await eventually(gone)
