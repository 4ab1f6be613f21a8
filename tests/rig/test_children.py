"""Agents as forks of one process: what each sees, how it ends, and that nobody outlives the rig."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rig.embedded.children import Child, nursery

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every agent starts by itself")
CHARACTER = Path(__file__).parents[2] / "characters" / "review-e.yaml"
Eventually = Callable[[Callable[[], object]], Awaitable[None]]
SHARED = {"PATH": os.environ["PATH"], "RIG_LOG_LEVEL": "INFO"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """For an agent that waits for a rig that is away."""
    return {
        "PATH": os.environ["PATH"],
        "RIG_CONDUCTOR_URL": "http://127.0.0.1:9",
        "RIG_DATA_DIR": str(folder),
        "RIG_PARENT_PIPE": "1",
        "ANTHROPIC_API_KEY": "sk-ant-double",
        **more,
    }


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def at_work(child: Child, capfd: Any, eventually: Eventually) -> None:
    said: list[str] = []

    def waiting() -> bool:
        said.append(capfd.readouterr().err)
        return "the conductor is away" in "".join(said)

    await eventually(waiting)
    assert child.returncode is None


def parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


async def test_an_agent_knows_nothing_of_the_one_before_it(
    tmp_path: Path, capfd: Any, eventually: Eventually
) -> None:
    async with nursery(SHARED) as start:
        first = await start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token"))
        second = await start(CHARACTER, environment(tmp_path))
        assert await second.wait() == 1
        assert "Set RIG_TOKEN" in capfd.readouterr().err
        assert first.returncode is None
        assert parent(first.pid) not in (os.getpid(), 1)


async def test_an_agent_has_a_process_group_of_its_own(tmp_path: Path) -> None:
    async with nursery(SHARED) as start:
        child = await start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token"))
        assert os.getpgid(child.pid) == child.pid


async def test_an_agent_that_is_asked_to_end_ends_well(tmp_path: Path, capfd: Any, eventually: Eventually) -> None:
    async with nursery(SHARED) as start:
        child = await start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token"))
        await at_work(child, capfd, eventually)
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 15) == 0
        child.send_signal(signal.SIGTERM)  # too late, and no harm


async def test_a_kill_is_told_as_such(tmp_path: Path) -> None:
    async with nursery(SHARED) as start:
        child = await start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token"))
        os.kill(child.pid, signal.SIGKILL)
        assert await asyncio.wait_for(child.wait(), 15) == -signal.SIGKILL


async def test_agents_end_with_the_process_they_came_from_and_later_ones_start_by_themselves(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with nursery(SHARED) as start:
        child = await start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token"))
        os.kill(parent(child.pid), signal.SIGKILL)
        assert await asyncio.wait_for(child.wait(), 15) == -signal.SIGKILL
        await eventually(lambda: not alive(child.pid))
        later = await start(CHARACTER, environment(tmp_path))
        assert parent(later.pid) == os.getpid()
        assert await asyncio.wait_for(later.wait(), 30) > 0


async def test_nobody_is_left_behind(tmp_path: Path, eventually: Eventually) -> None:
    async with nursery(SHARED) as start:
        child = await start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token"))
        mother = parent(child.pid)
    await eventually(lambda: not alive(child.pid) and not alive(mother))


async def test_an_agent_that_nobody_waits_for_any_more_is_not_left_alone(tmp_path: Path) -> None:
    async with nursery(SHARED) as start:
        asked = asyncio.ensure_future(start(CHARACTER, environment(tmp_path, RIG_TOKEN="a-token")))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        ended = await start(CHARACTER, environment(tmp_path))
        assert await ended.wait() == 1
