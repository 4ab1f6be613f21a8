"""How many issues of a repository are in work at once, and what a pause holds back."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from conductor.around import Rules, around
from conductor.events import RigPaused, RigResumed
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue, stream_of
from conductor.issues.limits import Limits
from conductor.store.batch import SQL
from conductor.store.offers import LOOK_AT_ONE
from conductor.store.offers import SQL as OFFERS
from conductor.store.records import Append, ClaimRequest
from conductor.store.replay import differences
from conductor.store.writer import Store
from servers.kit.database import Connection, Pool, open_pool
from servers.kit.wake import LocalWake, background
from tests.conductor.samples import observed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 3
OFFERS_OF_A_DAY = """
    WITH made AS (
        INSERT INTO issues (stream, version, repository_id, repository, number, title, status, priority, base, data)
        SELECT 'issue-' || n, 1, n / 40, 'acme/tally-' || n / 40, n, 'x', 'queued', 2, 'main', '{}'
        FROM generate_series(1, $1::int) AS n
        RETURNING *
    )
    INSERT INTO offers (stream, repository_id, repository, number, priority, kind, role)
    SELECT stream, repository_id, repository, number, priority, 'implement', 'dev' FROM made
"""
_names = count(1)


@pytest.fixture
async def strict(pool: Pool) -> AsyncGenerator[Store]:
    """A store that gives out at most three issues of a repository."""
    store = Store(pool, LocalWake(), limits=Limits(open_issues=LIMIT))
    async with background(store.run()):
        yield store


def somebody(role: str = "dev", **changes: Any) -> ClaimRequest:
    name = f"{role}-{next(_names)}"
    fields: dict[str, Any] = {"agent": name, "role": role, "instance": name, "boot": "1", "run": name}
    return ClaimRequest(**fields | changes)


async def queue(store: Store, repository: int, issues: int) -> list[Issue]:
    """Issues of a repository that wait for somebody."""
    name = f"acme/tally-{repository}"
    made = [observed(n, repository_id=repository, repository=name) for n in range(1, issues + 1)]
    return [(await handle(store, stream_of(repository, seen.number), seen, "github")).issue for seen in made]


async def claim(store: Store, *requests: ClaimRequest) -> list[Issue]:
    return [claimed.issue for claimed in await asyncio.gather(*map(store.claim, requests)) if claimed]


async def test_a_repository_has_no_more_issues_in_work_than_its_limit_however_many_ask(strict: Store) -> None:
    await queue(strict, 1, 10)
    assert len(await claim(strict, *(somebody() for _ in range(20)))) == LIMIT
    assert await claim(strict, somebody()) == []


async def test_a_full_repository_holds_nobody_back_from_the_others(strict: Store) -> None:
    for repository in (1, 2, 3):
        await queue(strict, repository, 8)
    won = await claim(strict, *(somebody() for _ in range(20)))
    assert Counter(issue.repository_id for issue in won) == {1: LIMIT, 2: LIMIT, 3: LIMIT}


async def test_the_limit_holds_across_processes(strict: Store, database_url: str) -> None:
    await queue(strict, 1, 10)
    async with open_pool(database_url) as pool:
        other = Store(pool, LocalWake(), limits=strict.limits)
        async with background(other.run()):
            claims = [(strict, other)[n % 2].claim(somebody()) for n in range(20)]
            won = [claimed for claimed in await asyncio.gather(*claims) if claimed]
    assert len(won) == LIMIT


async def test_an_issue_that_leaves_work_makes_room_for_one(strict: Store, pool: Pool) -> None:
    await queue(strict, 1, 6)
    first, *_ = await claim(strict, *(somebody() for _ in range(LIMIT)))
    await handle(strict, first.stream, c.Cancel("no", "ada"), "ada")
    assert len(await claim(strict, somebody(), somebody())) == 1
    assert [problem async for problem in differences(pool)] == []


async def test_critical_issues_wait_like_the_others(strict: Store) -> None:
    issues = await queue(strict, 1, LIMIT + 1)
    await claim(strict, *(somebody() for _ in range(LIMIT)))
    await handle(strict, issues[-1].stream, c.Prioritize("critical", "ada"), "ada")
    assert await claim(strict, somebody()) == []


async def test_what_a_full_repository_makes_wait_says_so(strict: Store) -> None:
    *_, last = await queue(strict, 1, LIMIT + 1)
    waits = f"It waits for somebody with the role dev for {last.stack} (implement)."
    assert await said(strict, last) == [waits]
    await claim(strict, *(somebody() for _ in range(LIMIT)))
    assert await said(strict, last) == [waits, "acme/tally-1 has 3 issues in work, its limit."]


async def said(store: Store, issue: Issue) -> list[str]:
    return (await around(store.pool, [issue], Rules(open_issues=LIMIT))).waits_for(issue)


async def test_a_person_may_take_an_issue_of_a_full_repository(strict: Store) -> None:
    await queue(strict, 1, LIMIT + 1)
    await claim(strict, *(somebody() for _ in range(LIMIT)))
    assert len(await claim(strict, somebody("person", kinds=("implement",)))) == 1


@pytest.mark.parametrize("scope", ["rig", "acme/tally-1", "agent:dev-e"])
async def test_a_pause_and_a_claim_in_one_batch_agree_with_the_order_of_the_log(strict: Store, scope: str) -> None:
    await queue(strict, 1, 1)
    pause = Append("rig", None, [RigPaused(scope=scope, by="ada")], "ada", NOW)
    request = somebody(agent="dev-e")
    await strict.append(pause)
    assert await claim(strict, request) == []
    await strict.append(Append("rig", None, [RigResumed(scope=scope, by="ada")], "ada", NOW))
    assert len(await claim(strict, request)) == 1


async def test_two_requests_of_one_process_at_once_get_one_claim(strict: Store) -> None:
    await queue(strict, 1, 3)
    won = await claim(strict, *[somebody(agent="dev-e", instance="dev-e", run="r")] * 5)
    assert len({issue.stream for issue in won}) == 1


async def test_as_many_offers_are_read_as_are_asked_for_however_many_there_are(pool: Pool) -> None:
    await pool.execute(OFFERS_OF_A_DAY, 20_000)
    for known in (False, True):
        if known:
            await pool.execute("ANALYZE issues")
            await pool.execute("ANALYZE offers")
        for prepare in (f"{SQL['define_append']};{OFFERS['define']}", OFFERS["in_order"]):
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(prepare)
                plan = await plan_of(connection, OFFERS["look"], 10)
            assert re.search(r"Index Scan using offers_in_order .*actual time=\S+ rows=10.00", plan)
            assert "using in_work_pkey" in plan
            assert "Seq Scan" not in plan


async def test_an_issue_that_is_asked_for_by_name_is_found_by_its_key(pool: Pool) -> None:
    await pool.execute(OFFERS_OF_A_DAY, 900)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"{SQL['define_append']};{OFFERS['define']}")
        plan = await plan_of(connection, LOOK_AT_ONE, 10, stream="issue-600")
    assert re.search(r"Index Scan using offers_pkey on offers .*actual time=\S+ rows=1.00", plan)
    assert "offers_in_order" not in plan


async def plan_of(connection: Connection, query: str, want: int, stream: str | None = None) -> str:
    """How the database looks for offers, having looked."""
    profile = {"profile": 0, "agents": ["a"], "alone": [True], "roles": ["dev"], "stacks": [], "kinds": ["implement"]}
    asked = json.dumps([profile | {"providers": [""], "capped": True, "stream": stream}])
    await connection.execute(f"PREPARE offers AS {query}")
    explain = f"EXPLAIN (ANALYZE) EXECUTE offers('{asked}', '1 min', 3, '{{}}', '{{a}}', '{{a}}', '{{}}', {want})"
    plan = "\n".join(row[0] for row in await connection.fetch(explain))
    await connection.execute("DEALLOCATE offers")
    return plan


async def test_a_claim_by_name_gives_that_issue_though_others_go_first(strict: Store) -> None:
    issues = await queue(strict, 1, 3)
    other = somebody()
    won = await claim(strict, somebody(stream=issues[2].stream), other)
    assert {issue.stream for issue in won} == {issues[2].stream, issues[0].stream}
    assert await claim(strict, somebody(stream=issues[2].stream)) == []


async def test_what_is_more_urgent_goes_before_what_was_read_already(strict: Store) -> None:
    for repository in (1, 2, 3):
        await queue(strict, repository, LIMIT)
    await claim(strict, somebody(), dev := somebody())
    [urgent] = await queue(strict, 4, 1)
    await handle(strict, urgent.stream, c.Prioritize("critical", "ada"), "ada")
    assert [issue.stream for issue in await claim(strict, replace(dev, instance="another"))] == [urgent.stream]


async def test_who_holds_an_issue_gets_it_again_though_others_were_read_already(strict: Store) -> None:
    await queue(strict, 1, LIMIT)
    await queue(strict, 2, LIMIT)
    dev = somebody()
    [mine] = await claim(strict, dev)
    await claim(strict, replace(dev, instance="another"))
    assert [issue.stream for issue in await claim(strict, dev)] == [mine.stream]
    [after] = await claim(strict, replace(dev, boot="2"))
    assert (after.stream, after.holder and after.holder.boot) == (mine.stream, "2")
