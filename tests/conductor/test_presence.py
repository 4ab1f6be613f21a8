"""Who is there, what is paused, and why somebody does nothing."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conductor.presence import PauseView, kept_by
from servers.kit.database import Pool
from servers.kit.errors import Forbidden
from tests.conductor.conftest import Claimable
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.serving import Rig, serving

CHARACTERS = Path(__file__).parents[2] / "characters"
AGED = "UPDATE agents SET seen_at = now() - interval '10 minutes'"
CHARACTER = """
name: dev-e
role: dev
personality: You are Dev-E.
git: {name: Dev-E, email: dev-e@example.org}
llm: {provider: anthropic}
fallbackProviders: [{provider: claude-cli}]
"""


def paused(scope: str) -> PauseView:
    return PauseView(
        scope=scope, by="ada", reason="", since=datetime(2026, 1, 1, tzinfo=UTC), until=None, now=False, text=scope
    )


@pytest.mark.parametrize(
    ("scopes", "kept"),
    [
        ([], []),
        (["rig"], ["rig"]),
        (["acme/tally", "agent:other", "budget:other", "provider:codex-cli"], []),
        (["agent:dev-e", "budget", "budget:dev-e"], ["agent:dev-e", "budget", "budget:dev-e"]),
        (["provider:anthropic"], []),
        (["provider:anthropic", "provider:claude-cli"], ["provider:anthropic", "provider:claude-cli"]),
    ],
)
def test_an_agent_is_kept_from_work_by_what_concerns_all_that_it_could_do(scopes: list[str], kept: list[str]) -> None:
    assert kept_by([paused(scope) for scope in scopes], "Dev-E", ("anthropic", "claude-cli")) == kept


async def agents(rig: Rig) -> dict[str, Any]:
    seen = (await (await rig.caller("person", "ada")).call("list_agents"))["result"]
    return {one["instance"]: one for one in seen if one["role"] != "person"}


async def test_who_waits_works_or_left_is_told_apart_and_why(rig: Rig, claimable: Claimable, pool: Pool) -> None:
    issue = await claimable()
    dev, idle, gone = await rig.caller("dev"), await rig.caller("dev", "idle"), await rig.caller("dev", "gone")
    work = await dev.claim()
    await dev.call("heartbeat", claim=work["claim"], step="working")
    assert await idle.claim() is None
    await gone.call("heartbeat", step="left: no work for 60 seconds")
    seen = await agents(rig)
    assert [(seen[name]["state"], seen[name]["why"]) for name in ("dev-e-1", "idle-1", "gone-1")] == [
        ("working", []),
        ("waiting", []),
        ("away", ["Its process is not there: no work for 60 seconds"]),
    ]
    await dev.call("report_stuck", claim=work["claim"], reason="Tests fail.", error_class="tests", evidence="x")
    await pool.execute(AGED)
    seen = await agents(rig)
    assert seen["dev-e-1"]["why"] == [
        f"Its last run, on {issue}, ended stuck: Tests fail.",
        "Its process is not there: the last that it said was 'working'",
    ]
    assert seen["dev-e-1"]["state"] == "away"


async def test_a_usage_limit_is_told_to_who_asks_for_work_and_to_people_and_ends_with_a_word(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "characters").mkdir()
    (tmp_path / "characters" / "dev-e.yaml").write_text(CHARACTER)
    async with serving(database_url, tmp_path, MemoryGitHub()) as rig:
        await rig.labelled()
        dev, ada = await rig.caller("dev"), await rig.caller("person", "ada")
        until = datetime.now(UTC) + timedelta(hours=2)
        for provider in ("anthropic", "claude-cli"):
            limit = {"provider": provider, "until": until.isoformat(), "reason": "5-hour limit"}
            await dev.call("report_event", type="USAGE_LIMITED", data=limit)
        answer = await dev.call("claim_assignment")
        assert answer["assignment"] is None
        assert (
            answer["paused"][0] == f"anthropic is at its usage limit until {until:%Y-%m-%d %H:%M} UTC: 5-hour limit."
        )
        [pause, _] = (await ada.call("list_pauses"))["result"]
        assert (pause["scope"], pause["by"], pause["text"]) == ("provider:anthropic", "dev-e", answer["paused"][0])
        [agent] = (await ada.call("list_agents"))["result"]
        assert (agent["state"], agent["why"], agent["step"]) == ("paused", answer["paused"], answer["paused"][0])
        await ada.call("resume", scope="provider:claude-cli")
        assert await dev.claim()
        with pytest.raises(Forbidden):
            await dev.call("list_pauses")


async def test_a_chore_is_stopped_by_a_person_and_has_its_record_too(database_url: str, tmp_path: Path) -> None:
    shutil.copytree(CHARACTERS, tmp_path / "characters")
    async with serving(database_url, tmp_path, MemoryGitHub()) as rig:
        ada, answerer = await rig.caller("person", "ada"), await rig.caller("support", "conductor-e")
        await ada.call("send_message", to="conductor-e", text="Why?")
        work = await answerer.claim()
        await ada.call("pause", scope="agent:conductor-e", now=True)
        stop = (await answerer.call("heartbeat", claim=work["claim"]))["stop"]
        assert stop == "agent:conductor-e is paused by ada"
        [run] = (await ada.call("list_runs"))["result"]
        assert (run["issue"], run["kind"], run["status"]) == ("rig/rig~1", "answer", "running")
        await answerer.call("release_assignment", claim=work["claim"], reason=stop)
        [run] = (await ada.call("list_runs", agent="conductor-e"))["result"]
        assert (run["run"], run["status"], run["ended_at"] is None) == (work["run"], "released", False)
