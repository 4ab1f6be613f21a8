"""Replay: typed events folded into a fresh projection."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack

from bench.append import approved
from bench.common import Result, Round, at_least, durable, interleaved, ratio, result
from conductor.events import Event, IssueAssigned, IssueUnassigned, WorkStarted
from conductor.store.records import encode
from conductor.store.replay import PAGE, SQL, rebuild
from servers.kit.database import Pool, open_pool

NAME = "replay"
SENTENCE = "Events of the log decoded, folded and written as a fresh projection"
FOLD = 0.55
EACH = 100  # events of an issue
FILL = """
    INSERT INTO events (position, stream, version, type, data, actor, occurred_at)
    SELECT issue * $3::int + version, format('issue-%s-%s', issue, issue), version, type,
           CASE WHEN version > 1 THEN data::jsonb ELSE
                data::jsonb || jsonb_build_object('repository_id', issue, 'number', issue) END, 'ada', now()
    FROM generate_series(0, $4::int - 1) AS issue,
         unnest($1::text[], $2::text[]) WITH ORDINALITY AS e(type, data, version)
"""


async def run(quick: bool) -> Result:
    """The projection built anew beside reading the same rows and doing nothing with them."""
    rounds, issues = (1, 20) if quick else (5, 10_000)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(durable())
        pool = await stack.enter_async_context(open_pool(await server.database("ours")))
        events = life()
        types, data = [event.type for event in events], [encode(event).decode() for event in events]
        await pool.execute(FILL, types, data, EACH, issues, timeout=600)
        await pool.execute("ANALYZE events")
        contenders: dict[str, Round] = {
            "ours": lambda: _rate(issues, rebuild(pool)),
            "limit": lambda: _rate(issues, fetch(pool)),
        }
        rates = await interleaved(rounds, contenders, f"{issues * EACH:,} events")
    return result(
        NAME,
        "events/s",
        ours=rates["ours"],
        limit=rates["limit"],
        limit_name="fetching the rows only",
        targets=[at_least("× fetching the rows only", ratio(rates["ours"], rates["limit"]), FOLD)],
        settings=server.settings,
    )


def life() -> list[Event]:
    """An issue that many took up and gave back."""
    events: list[Event] = [approved(1, 1)]
    fence = 0
    while len(events) < EACH:
        fence += 1
        events += [
            IssueAssigned(
                kind="implement",
                agent="dev-e",
                instance="dev-e-1",
                fence=fence,
                run=f"run-{fence % 5}",
                attempt=1,
                branch="feature/issue-1",
            ),
            WorkStarted(agent="dev-e", fence=fence),
            IssueUnassigned(agent="dev-e", fence=fence, reason="released"),
        ]
    return events[:EACH]


async def _rate(issues: int, work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return issues * EACH / (time.perf_counter() - started)


async def fetch(pool: Pool) -> None:
    """Read every event's row."""
    async with pool.acquire() as connection, connection.transaction():
        cursor = await connection.cursor(SQL["issue_events"], None, 0)
        while await cursor.fetch(PAGE):
            pass
