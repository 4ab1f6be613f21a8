from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rig.cli.runs import record
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.serving import Rig, serving

RUN: dict[str, Any] = {
    "run": "0190c1e2-0000-7000-8000-00005f72ab31",
    "agent": "dev-e-node",
    "issue": "ada/tally#12",
    "kind": "implement",
    "status": "over_budget",
    "reason": "The run spent $5.00 of its budget of $5.00.",
    "started_at": "2026-04-12T09:20:01.5Z",
    "seconds": 93.2,
    "turns": 14,
    "input_tokens": 1234,
    "output_tokens": 567,
    "cache_read_tokens": 10921,
    "cache_write_tokens": 4305,
    "usd": 0.21,
    "pull_request": 131,
    "steps": [
        {"step": "assigned", "ok": True, "seconds": 0.4},
        {"step": "working\x1b[2J", "ok": False, "seconds": 90},
    ],
}
RECORD = """\
Run: dev-e-node/5f72ab31 · 2026-04-12 09:20:01 · ada/tally#12 (implement) · PR #131
Status: over budget · 93s · $0.21 · 14 turns
  The run spent $5.00 of its budget of $5.00.
Tokens: 1,234 in / 567 out / 10,921 cache-read / 4,305 cache-write
Steps:
  ✓ assigned                              0.4s
  ✗ working\N{REPLACEMENT CHARACTER}[2J                          90.0s
"""


def test_a_run_is_told_as_the_original_told_it() -> None:
    assert record(RUN) == RECORD


async def rig_says(rig: Rig, *arguments: str) -> str:
    """What the command prints to Ada."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RIG_")}
    env |= {"RIG_URL": rig.url, "RIG_TOKEN": rig.token("ada", "person"), "COLUMNS": "200"}
    command = [sys.executable, "-P", "-m", "rig", *arguments]
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def test_a_person_sees_why_agents_wait_and_lets_them_go_on(database_url: str, tmp_path: Path) -> None:
    async with serving(database_url, tmp_path, MemoryGitHub()) as rig:
        await rig.labelled()
        dev = await rig.caller("dev")
        until = datetime.now(UTC) + timedelta(hours=1)
        limit = {"provider": "anthropic", "until": until.isoformat(), "reason": "5-hour limit"}
        await dev.call("report_event", type="USAGE_LIMITED", data=limit)
        assert (await dev.call("claim_assignment", providers=["anthropic"]))["assignment"] is None
        words = f"anthropic is at its usage limit until {until:%Y-%m-%d %H:%M} UTC: 5-hour limit."
        told = await rig_says(rig, "agents")
        assert told.startswith(words)
        assert "dev-e-1" in told
        assert "No such runs." in await rig_says(rig, "runs", "--agent", "nobody")
        assert "goes on" in await rig_says(rig, "resume", "provider:anthropic")
        claim = (await dev.call("claim_assignment", providers=["anthropic"]))["assignment"]["claim"]
        await rig_says(rig, "pause", "--now", "--reason", "Stop it")
        assert (await dev.call("heartbeat", claim=claim))["stop"] == "rig is paused by ada: Stop it"
        [run] = json.loads(await rig_says(rig, "runs", claim["issue"], "--json"))
        assert (run["agent"], run["status"]) == ("dev-e", "running")
