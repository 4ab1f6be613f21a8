"""`/healthz/deep` tells what is wrong, quickly, to anybody, and without a secret."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from conductor.vitals import Vitals
from servers.kit.database import Pool
from servers.kit.errors import Unavailable
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY
from tests.conductor.serving import Rig, serving
from tests.fixtures_postgres import Databases
from tests.fixtures_valkey import Valkey, running
from tests.fixtures_waiting import Eventually

PASSWORD = "swordfish"


async def told(rig: Rig) -> tuple[int, Any]:
    answer = await rig.http.get("/healthz/deep")
    return answer.status_code, answer.json()


@pytest.fixture
async def locked_valkey(need: Callable[..., str]) -> AsyncGenerator[Valkey]:
    async with running(need("valkey-server", "redis-server")) as started:
        async with started.client() as client:
            await client.config_set("requirepass", PASSWORD)
        yield started


async def test_all_is_well_where_everything_answers(rig: Rig, eventually: Eventually) -> None:
    async def reconciled() -> bool:
        return (await told(rig))[1]["parts"]["reconciler"]["status"] == "ok"

    await eventually(reconciled)
    status, said = await told(rig)
    assert (status, said["status"]) == (200, "ok"), said
    assert said["parts"]["valkey"] == {"status": "ok", "valkey": "absent"}
    assert said["parts"]["database"]["position"] >= 0
    assert said["parts"]["leases"] == {"status": "ok", "held": 0, "overdue": 0}
    assert set(said["parts"]) == {
        "database", "log", "valkey", "github_server", "effects", "deliveries", "reconciler", "leases",
    }  # fmt: skip


async def test_a_github_server_that_is_away_degrades(rig: Rig) -> None:
    rig.github.failing["ping"] = [Unavailable(PASSWORD)]
    status, said = await told(rig)
    assert (status, said["status"]) == (200, "degraded")
    assert said["parts"]["github_server"] == {"status": "down"}


LATE = {
    "effects": """INSERT INTO effects (key, stream, lane, kind, data, due_at)
        VALUES ('k', 's', 'l', 'later', '{}', now() - interval '1 hour')""",
    "deliveries": """INSERT INTO deliveries (guid, event, payload, received_at, due_at)
        VALUES ('g', 'ping', '', now() - interval '1 hour', now() + interval '1 hour')""",
    "leases": """INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
        VALUES ('issue-1-1', 1, 'dev-e', 'dev-e', '', 'implement', 'r', now() - interval '1 hour')""",
    "reconciler": "UPDATE repositories SET reconciled_at = now() - interval '1 hour'",
}


@pytest.mark.parametrize(("part", "statement"), LATE.items(), ids=LATE)
async def test_what_waits_for_long_degrades(pool: Pool, part: str, statement: str) -> None:
    await pool.execute("INSERT INTO repositories VALUES (77, $1, $1, now())", REPOSITORY)

    async def report() -> Any:
        return await Vitals(pool, MemoryGitHub().ping, repositories=[REPOSITORY.upper()]).report()

    assert (await report())["status"] == "ok"
    await pool.execute(statement)
    said = await report()
    assert said["status"] == said["parts"][part]["status"] == "degraded"
    assert [name for name, one in said["parts"].items() if one["status"] != "ok"] == [part]


async def test_a_repository_that_was_never_read_degrades(pool: Pool) -> None:
    await pool.execute("INSERT INTO repositories VALUES (77, $1, $1, now())", REPOSITORY)
    said = await Vitals(pool, MemoryGitHub().ping, repositories=[REPOSITORY, "acme/other"]).report()
    assert said["parts"]["reconciler"] == {"status": "degraded", "last_success_seconds": None}


async def test_without_the_database_everything_is_down(rig: Rig, databases: Databases, database_url: str) -> None:
    name = database_url.partition("@/")[2].partition("?")[0]
    await databases.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await databases.disconnect(database_url)
    async with asyncio.timeout(10):
        status, said = await told(rig)
    assert (status, said["status"]) == (503, "down")
    assert said["parts"]["database"] == {"status": "down"}


async def test_a_killed_or_frozen_valkey_degrades_until_it_is_back(
    database_url: str, tmp_path: Path, locked_valkey: Valkey, eventually: Eventually
) -> None:
    url = f"unix://:{PASSWORD}@{locked_valkey.socket}"
    async with serving(database_url, tmp_path, MemoryGitHub(), valkey_url=url) as rig:

        async def valkey_is(status: str) -> bool:
            code, said = await told(rig)
            assert (code, PASSWORD in str(said)) == (200, False)
            return said["parts"]["valkey"]["status"] == status and said["status"] in ("degraded", status)

        await eventually(lambda: valkey_is("ok"))
        locked_valkey.freeze()
        await eventually(lambda: valkey_is("down"))
        locked_valkey.thaw()
        await eventually(lambda: valkey_is("ok"))
        await locked_valkey.kill()
        await eventually(lambda: valkey_is("down"))


async def test_many_who_ask_at_once_cost_one_look(pool: Pool) -> None:
    github = MemoryGitHub()
    health = Vitals(pool, github.ping)
    reports = await asyncio.gather(*(health.report() for _ in range(100)))
    assert github.calls["ping"] == 1
    assert all(report is reports[0] for report in reports)


async def test_something_that_hangs_does_not_hold_the_answer_up(pool: Pool) -> None:
    forever = asyncio.Event()

    async def hang() -> None:
        await forever.wait()

    said = await Vitals(pool, hang, answer_seconds=0.3).report()
    assert said["parts"]["github_server"] == {"status": "down"}
