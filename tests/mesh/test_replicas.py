"""Three conductors on one database: everything works at each, happens once, and outlives one of them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rig.doubles.github.plumbing import git
from servers.kit.database import Pool, open_pool
from servers.kit.wake import background
from tests.mesh.replicas import REPOSITORY, Cluster, clustered, listen

ISSUES = 4
PATIENCE = 90.0
LEADS = re.compile(r"\bleads\b")
TAKEN_OVER = 10.0
LEADERS = (
    "SELECT l.objid, a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'rig leader'"
)


@pytest.mark.timeout(180)
async def test_three_conductors_share_the_work_and_outlive_a_kill(tmp_path: Path, empty_database_url: str) -> None:
    async with clustered(tmp_path, empty_database_url, 3) as cluster, AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(empty_database_url, size=2))
        for replica in cluster.replicas:
            await stack.enter_async_context(background(listen(replica)))
        for number in range(3):
            await stack.enter_async_context(background(cluster.work("dev", number)))
        await stack.enter_async_context(background(cluster.work("review", 1)))
        await stack.enter_async_context(background(cluster.work("review", 2)))
        for number in range(ISSUES):
            title, body = (
                f"Write file {number}",
                f"Readers miss file {number}.\n\n- [ ] There is a file {number}.txt.\n",
            )
            await cluster.github.file_issue(REPOSITORY, title, body, token="ada", labels=["agent-ready"])
        await _until(lambda: _done(pool, 1))
        before, locks = await _leaders(pool), await pool.fetch(LEADERS)
        assert len(before) == len(locks), "one leader for each loop"
        dead = _leading(cluster)
        cluster.replicas[dead].kill()
        await _until(lambda: _taken_over(pool, before), TAKEN_OVER)
        await _until(lambda: _done(pool, ISSUES))
        await cluster.github.settle()
        await _nothing_twice(cluster, pool)
        await _until(lambda: _heard(cluster, dead))


async def _until(condition: Callable[[], Awaitable[bool] | bool], within: float = PATIENCE) -> None:
    async with asyncio.timeout(within):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.05)


async def _done(pool: Pool, count: int) -> bool:
    return await pool.fetchval("SELECT count(*) FROM issues WHERE status = 'done'") >= count


def _leading(cluster: Cluster) -> int:
    """Which replica leads some loop; nobody has died yet, so that whoever once led does so still."""
    led = [LEADS.search(replica.log.read_text()) for replica in cluster.replicas]
    return next(number for number, found in enumerate(led) if found)


async def _leaders(pool: Pool) -> dict[int, int]:
    """The connection that leads each loop."""
    return {row["objid"]: row["pid"] for row in await pool.fetch(LEADERS)}


async def _taken_over(pool: Pool, before: dict[int, int]) -> bool:
    """Every loop has a leader again, and what the dead one led has another."""
    now = await _leaders(pool)
    return now.keys() == before.keys() and now != before


def _heard(cluster: Cluster, dead: int) -> bool:
    """The pages of both that live were told of every end."""
    living = [replica for number, replica in enumerate(cluster.replicas) if number != dead]
    return all(replica.heard.count("ISSUE_DONE") == ISSUES for replica in living)


async def _nothing_twice(cluster: Cluster, pool: Pool) -> None:
    once = ["ISSUE_APPROVED", "PR_CREATED", "REVIEW_PASSED", "MERGED", "ISSUE_DONE"]
    rows = await pool.fetch("SELECT type, count(*) AS n FROM events WHERE type = ANY ($1) GROUP BY 1", once)
    assert {row["type"]: row["n"] for row in rows} == dict.fromkeys(once, ISSUES)
    seen = (await cluster.github.state())["repositories"][REPOSITORY]
    pulls = list(seen["pulls"].values())
    assert [pull["state"] for pull in pulls] == ["merged"] * ISSUES
    assert [[review["state"] for review in pull["reviews"]] for pull in pulls] == [["APPROVED"]] * ISSUES
    assert [issue["comments"] for issue in seen["issues"].values()] == [[]] * len(seen["issues"])
    log = (await git(Path(seen["path"]), "log", "--first-parent", "--format=%(trailers:key=Rig-Issue)", "main")).text
    landed = Counter(line for line in log.splitlines() if line)
    assert (len(landed), set(landed.values())) == (ISSUES, {1}), log
    updated = "SELECT count(*) FROM events WHERE type = 'PR_UPDATED' AND (data->>'carried')::boolean"
    assert await pool.fetchval(updated) >= 1, (
        "those behind the first were brought up to date, and kept their approval"
    )
    assert _writes(await cluster.github.requests()) == {}


def _writes(requests: list[dict[str, Any]]) -> dict[Any, int]:
    """Merges and updates of branches that GitHub took more than once."""
    kinds = ("/merge", "/update-branch")
    taken = Counter(
        (one["method"], one["path"], str(one.get("body")))
        for one in requests
        if one["method"] == "PUT" and one["path"].endswith(kinds) and one["status"] < 300
    )
    return {what: count for what, count in taken.items() if count > 1}
