"""Valkey dies and comes back empty while agents work: nothing is lost, nothing is claimed twice, and it shows."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from conductor.app import open_desk
from conductor.settings import ConductorSettings
from servers.kit.errors import InvalidInput
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.serving import Agent, Rig, serving
from tests.conductor.test_foreign_runtime import CHARACTER
from tests.fixtures_valkey import Valkey
from tests.fixtures_waiting import Eventually

CLAIMS = "SELECT stream FROM events WHERE type = 'ISSUE_ASSIGNED'"
ISSUES = 18


@pytest.fixture
async def rigs(database_url: str, tmp_path: Path, valkey: Valkey) -> AsyncGenerator[tuple[Rig, Rig]]:
    """Two replicas of the conductor on one database and one Valkey."""
    (tmp_path / "characters").mkdir()
    (tmp_path / "characters" / "dev-e.yaml").write_text(yaml.safe_dump(CHARACTER))
    github, changes = MemoryGitHub(), {"valkey_url": valkey.url, "max_open_issues": 1000}
    async with (
        serving(database_url, tmp_path, github, **changes) as one,
        serving(database_url, tmp_path, github, **changes) as other,
    ):
        yield one, other


async def work(agent: Agent, number: int, done: list[str]) -> None:
    """Claim and finish for ever, parked at the conductor in between."""
    for turn in range(1000):
        me = {"rig/instance": f"dev-e-{number}-{turn}"}
        claimed = (await agent.call("claim_assignment", me, wait_seconds=20))["assignment"]
        if claimed:
            await agent.call("heartbeat", me, claim=claimed["claim"], step="works")
            done.append(claimed["claim"]["issue"])


async def status_of(rig: Rig) -> str:
    return (await rig.http.get("/healthz/deep")).json()["parts"]["valkey"]["status"]


async def test_agents_go_on_while_valkey_is_killed_and_comes_back_empty(
    rigs: tuple[Rig, Rig], valkey: Valkey, eventually: Eventually
) -> None:
    done: list[str] = []
    agents = [await rig.caller("dev", "dev-e") for rig in rigs for _ in range(2)]
    numbers = iter(range(1, ISSUES + 1))
    async with asyncio.TaskGroup() as group:
        working = [group.create_task(work(agent, n, done)) for n, agent in enumerate(agents)]
        offered: list[str] = []
        for phase, health in ((_nothing, "ok"), (valkey.kill, "down"), (valkey.start, "ok")):
            await phase()
            offered += [await rigs[0].labelled(next(numbers)) for _ in range(ISSUES // 3)]
            await eventually(lambda: len(done) >= len(offered))  # noqa: B023 - it waits for this round's
            for rig in rigs:
                await eventually(partial(_is, rig, health))
        for task in working:
            task.cancel()
    assert Counter(done) == Counter(offered)
    assert max(Counter(row["stream"] for row in await rigs[0].pool.fetch(CLAIMS)).values()) == 1
    async with valkey.client() as client:
        assert await client.llen("signal:dev-e") == ISSUES


async def _nothing() -> None:
    pass


async def _is(rig: Rig, status: str) -> bool:
    return await status_of(rig) == status


async def test_a_parked_agent_at_another_replica_is_woken_while_valkey_is_away(
    rigs: tuple[Rig, Rig], valkey: Valkey
) -> None:
    one, other = rigs
    agent = await other.caller("dev", "dev-e")
    await valkey.kill()
    for number in (1, 2):
        me: dict[str, Any] = {"rig/instance": f"dev-e-{number}"}
        parked = asyncio.create_task(agent.call("claim_assignment", me, wait_seconds=20))
        issue = await one.labelled(number)
        async with asyncio.timeout(10):
            assert (await parked)["assignment"]["claim"]["issue"] == issue


async def test_a_conductor_starts_without_its_valkey_and_finds_it_later(
    database_url: str, tmp_path: Path, valkey: Valkey, eventually: Eventually
) -> None:
    await valkey.kill()
    async with serving(database_url, tmp_path, MemoryGitHub(), valkey_url=valkey.url) as rig:
        assert await status_of(rig) == "down"
        agent = await rig.caller("dev")
        issue = await rig.labelled(1)
        assert (await agent.claim())["claim"]["issue"] == issue
        await valkey.start()
        await eventually(lambda: _is(rig, "ok"))


async def test_an_address_that_is_none_stops_the_start_without_repeating_it(database_url: str) -> None:
    settings = ConductorSettings.load(database_url=database_url, valkey_url="http://:swordfish@host")
    with pytest.raises(InvalidInput, match="RIG_VALKEY_URL must start with") as stopped:
        async with open_desk(settings, MemoryGitHub()):
            pass
    assert "swordfish" not in repr(settings) + str(stopped.value)


async def test_the_address_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "valkey").write_text("rediss://rig:swordfish@valkey:6380/0\n")
    monkeypatch.setenv("RIG_VALKEY_URL_FILE", str(tmp_path / "valkey"))
    settings = ConductorSettings.load(database_url="postgresql:///rig")
    assert settings.valkey_url.get_secret_value() == "rediss://rig:swordfish@valkey:6380/0"
    assert "swordfish" not in repr(settings)
