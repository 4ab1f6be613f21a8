"""`rig up` as a process: what it serves, who may see it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rig.demo.stage import REPOSITORY, Stage, staged
from tests.mesh.watching import watched

pytestmark = pytest.mark.timeout(240)
RIG = [sys.executable, "-P", "-m", "rig"]


async def rig(stage: Stage, *arguments: str) -> tuple[int, str, str]:
    """A command of the person whose rig it is."""
    environment = {"PATH": os.environ["PATH"], "RIG_URL": stage.url, "RIG_TOKEN": stage.token()}
    process = await asyncio.create_subprocess_exec(
        *RIG, *arguments, cwd=stage.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), complaint.decode()


async def test_a_person_sees_the_issue_on_the_page_and_by_the_command_and_all_ends_on_request() -> None:
    async with watched() as watch:
        stage = watch.stage
        assert "agent-ready" in (await rig(stage, "issues"))[1]
        await stage.model.fault(
            "endless_tools", times=400, seconds=0.5
        )  # the work is still under way when it is looked at
        await stage.file_issue(0)
        await watch.next("WORK_STARTED")
        async with httpx2.AsyncClient(base_url=stage.url, trust_env=False) as http:
            page = await http.get("/")
            assert f"{REPOSITORY}#1" in page.text
            assert "in progress" in page.text
            assert (await http.get("/healthz")).json()["status"] == "ok"
            assert (await http.get("/readyz")).json()["ready"] is True
            assert (await http.get("/.well-known/jwks.json")).json()["keys"]
            assert (await http.get("/api/issues")).status_code == 401
        code, listed, _ = await rig(stage, "issues", "--json")
        assert code == 0
        (issue,) = json.loads(listed)
        assert (issue["issue"], issue["state"]) == (f"{REPOSITORY}#1", "in_progress")
        assert f"{REPOSITORY}#1" in (await rig(stage, "issues"))[1]
        code, shown, _ = await rig(stage, "issue", "show", f"{REPOSITORY}#1")
        assert code == 0
        assert "ISSUE_APPROVED" in shown
        code, _, complaint = await rig(stage, "issue", "show", f"{REPOSITORY}#99")
        assert (code, "does not know" in complaint) == (1, True)
        agent = watch.pid("dev-e-python-0")
        assert agent is not None
        began = time.monotonic()
        await stage.rig.stop()
        assert time.monotonic() - began < 20
        assert stage.rig.process is not None
        assert stage.rig.process.returncode == 0
        with pytest.raises(ProcessLookupError):
            os.kill(agent, 0)


async def test_a_second_rig_on_the_same_folder_is_refused_while_the_first_lives() -> None:
    async with staged() as stage:
        assert stage.rig.process is not None
        environment = dict(line.split("=", 1) for line in environment_of(stage.rig.process.pid))
        process = await asyncio.create_subprocess_exec(
            *RIG, "up", "--port", "0", env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _, complaint = await process.communicate()
        assert process.returncode == 1
        assert "Another `rig up`" in complaint.decode()


async def test_a_killed_rig_leaves_no_agent_and_starts_again_on_what_it_left(eventually: Any) -> None:
    async with watched() as watch:
        await watch.stage.file_issue(0)
        await watch.next("WORK_STARTED")
        agent = watch.pid("dev-e-python-0")
        assert agent is not None
        await watch.stage.rig.kill()
        await eventually(lambda: not alive(agent))
        await watch.stage.rig.start()
        await watch.next("BRANCH_CREATED")


async def test_the_terminal_gets_the_address_the_line_to_join_and_the_remarks() -> None:
    async with staged() as stage:
        assert stage.rig.process is not None
        environment = dict(line.split("=", 1) for line in environment_of(stage.rig.process.pid))
        await stage.rig.stop()
        environment.pop("RIG_GITHUB_REVIEW_TOKEN")
        environment.pop("RIG_GITHUB_DEV_TOKEN")
        environment.pop("RIG_PUBLIC_URL")
        process = await asyncio.create_subprocess_exec(
            *RIG, "up", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        said = ""
        async for line in process.stdout:
            said += line.decode()
            if "Ctrl-C" in said:
                break
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        words = " ".join(said.split())
        assert "The rig is up" in words
        assert "claude mcp add --transport http rig" in words
        assert "polls GitHub" in words
        assert "posted as comments" in words


def environment_of(pid: int) -> list[str]:
    return [part.decode() for part in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if part]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
