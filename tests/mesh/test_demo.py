"""The demo itself, as a person runs it: separate processes, HTTP, git and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Event = dict[str, Any]
RIG = [sys.executable, "-P", "-m", "rig"]
PHASES = [
    "ISSUE_APPROVED",
    "ISSUE_ASSIGNED",
    "BRANCH_CREATED",
    "PR_CREATED",
    "CI_FAILED",
    "ISSUE_ASSIGNED",
    "PR_UPDATED",
    "CI_PASSED",
    "REVIEW_ASSIGNED",
    "REVIEW_DISPUTED",
    "ISSUE_ASSIGNED",
    "PR_UPDATED",
    "CI_PASSED",
    "REVIEW_ASSIGNED",
    "REVIEW_PASSED",
    "MERGE_GATE_PASSED",
    "MERGED",
    "ISSUE_DONE",
]


async def start_demo(folder: Path, *options: str) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIG_")}
    return await asyncio.create_subprocess_exec(
        *RIG,
        "demo",
        "--json",
        *options,
        cwd=folder,
        env=environment | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=1 << 20,
    )


async def demo(folder: Path, *options: str) -> tuple[int, list[Event]]:
    """The exit code and everything that the demo said."""
    process = await start_demo(folder, *options)
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def in_order(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(kind in rest for kind in wanted)


def processes_in(folder: Path) -> list[str]:
    """The command lines of processes that know the folder."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and entry.name != str(os.getpid()):
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def entries(folder: Path) -> list[str]:
    """What was left behind; onnxruntime leaves its mark in every folder for temporary files."""
    return [entry.name for entry in folder.iterdir() if entry.name != ".ses"]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the demo's own folder; PostgreSQL's account has to get through to it."""
    made = tmp_path_factory.mktemp("demo")
    for path in (made, *made.parents[:2]):
        path.chmod(0o711)
    return made


@pytest.mark.timeout(300)
async def test_a_labelled_issue_becomes_a_merged_pull_request(folder: Path) -> None:
    code, said = await demo(folder)
    assert code == 0, said[-1]
    events = [line for line in said if "type" in line]
    assert in_order(PHASES, [event["type"] for event in events])
    result = said[-1]
    assert result["result"] == "merged"
    assert result["events"] == len(events)
    assert result["seconds"] > 0
    assert result["tokens"]["output_tokens"] > 0
    assert result["usd"] > 0
    assert {event["data"]["agent"] for event in events if event["type"] == "REVIEW_PASSED"} == {"review-e"}
    assert entries(folder) == []
    assert processes_in(folder) == []


@pytest.mark.timeout(900)
async def test_seven_issues_at_once_are_each_worked_by_one_agent_at_a_time_and_all_merged(folder: Path) -> None:
    """Seven, for the fourth and the seventh change the same lines."""
    code, said = await demo(folder, "--issues", "7", "--agents", "3", "--timeout", "800")
    assert code == 0, said[-1]
    assert (said[-1]["result"], said[-1]["issues"]) == ("merged", 7)
    assert len(set(said[-1]["commits"])) == 7
    events = [line for line in said if "type" in line]
    done = [event["issue"] for event in events if event["type"] == "ISSUE_DONE"]
    assert len(done) == len(set(done)) == 7
    fences = [(e["issue"], e["data"]["fence"]) for e in events if e["type"] in ("ISSUE_ASSIGNED", "REVIEW_ASSIGNED")]
    assert len(fences) == len(set(fences))
    assert any(event["type"] == "MERGE_CONFLICT" for event in events)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_demo_leaves_no_process_and_no_file(folder: Path, how: signal.Signals) -> None:
    process = await start_demo(folder)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"WORK_STARTED" in line:
            break
    process.send_signal(how)
    await process.stdout.read()
    assert await process.wait() == 130
    assert processes_in(folder) == []
    assert entries(folder) == []


@pytest.mark.timeout(180)
async def test_a_killed_demo_takes_its_processes_with_it(folder: Path, eventually: Any) -> None:
    process = await start_demo(folder)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"WORK_STARTED" in line:
            break
    process.kill()
    await process.wait()
    await eventually(lambda: processes_in(folder) == [])


@pytest.mark.timeout(180)
async def test_a_demo_that_does_not_get_there_says_why_and_shows_its_log(folder: Path) -> None:
    code, said = await demo(folder, "--timeout", "1")
    assert code == 1
    assert said[-1]["result"] == "failed"
    assert "Not merged after 1 s" in said[-1]["reason"]
    assert said[-1]["log"]
    assert Path(said[-1]["log_file"]).name in entries(folder)
