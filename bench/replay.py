"""Replay: typed events folded into a fresh projection."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

from bench.append import approved
from bench.common import Result, Round, at_least, durable, interleaved, ratio, result
from conductor.events import (
    BranchCreated,
    CiPassed,
    Comment,
    Event,
    IssueAssigned,
    IssueUnassigned,
    Merged,
    MergeGatePassed,
    PrCreated,
    PrUpdated,
    ReviewAssigned,
    ReviewDisputed,
    ReviewPassed,
    WorkStarted,
)
from conductor.store.records import encode
from conductor.store.replay import rebuild
from servers.kit.database import Pool, open_pool

NAME = "replay"
SENTENCE = "Events of the log decoded, folded and written as a fresh projection"
FOLD = 0.55
ROUNDS = 11
EACH = 100  # events of an issue
BRANCH, URL = "feature/issue-1-add-feature", "https://github.test/acme/tally/pull"
WORDS = "The totals are wrong for an empty list; please handle it and add a test."
REMARK = Comment(path="tally/totals.py", line=12, body="This divides by zero where nothing was counted.")
PAGE = 5_000
ROWS = "SELECT stream, version, type, data::text FROM events ORDER BY position"
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
    """A hard issue, which reviews sent back eleven times; most issues are done after one round, twenty events."""
    events: list[Event] = [approved(1, 1), *_written(1, 1), CiPassed(head=_head(1), checks=["test"])]
    for number in range(1, ROUNDS + 1):
        review = _taken(2 * number, "review-e")
        events += [
            ReviewAssigned(head=_head(number), round=number, **review),
            ReviewDisputed(agent="review-e", head=_head(number), summary=WORDS, comments=[REMARK], fence=2 * number),
            IssueUnassigned(agent="review-e", fence=2 * number, reason="completed"),
            *_written(2 * number + 1, number + 1),
            CiPassed(head=_head(number + 1), checks=["test"]),
        ]
    return [*events, *_merged(2 * ROUNDS + 2, _head(ROUNDS + 1))]


def _written(fence: int, number: int) -> list[Event]:
    """Work from its claim to its push: at first a pull request, then a further head."""
    taken, head = _taken(fence, "dev-e"), _head(number)
    pushed: list[Event] = [PrUpdated(number=34, head=head, fence=fence)]
    if number == 1:
        opened = PrCreated(number=34, url=f"{URL}/34", head=head, branch=BRANCH, author="dev-e", fence=fence)
        pushed = [BranchCreated(branch=BRANCH, fence=fence), opened]
    return [
        IssueAssigned(kind="implement" if number == 1 else "rework", attempt=1, branch=BRANCH, **taken),
        WorkStarted(agent="dev-e", fence=fence),
        *pushed,
        IssueUnassigned(agent="dev-e", fence=fence, reason="completed"),
    ]


def _merged(fence: int, head: str) -> list[Event]:
    return [
        ReviewAssigned(head=head, round=ROUNDS + 1, **_taken(fence, "review-e")),
        ReviewPassed(agent="review-e", head=head, summary="Well done.", fence=fence),
        IssueUnassigned(agent="review-e", fence=fence, reason="completed"),
        MergeGatePassed(head=head, policy="default"),
        Merged(head=head, sha=head[::-1]),
    ]


def _taken(fence: int, agent: str) -> dict[str, Any]:
    return {"agent": agent, "instance": f"{agent}-1", "boot": f"{fence:032x}", "fence": fence, "run": f"run-{fence}"}


def _head(number: int) -> str:
    return f"{number:040x}"


async def _rate(issues: int, work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return issues * EACH / (time.perf_counter() - started)


async def fetch(pool: Pool) -> None:
    """Read every event's row."""
    async with pool.acquire() as connection, connection.transaction():
        cursor = await connection.cursor(ROWS)
        while await cursor.fetch(PAGE):
            pass
