from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agents.exits import NO_MODEL
from rig.embedded.children import spawn
from rig.embedded.launcher import FIRST_PAUSE, TOPIC, Launcher, Post, pause
from servers.kit.wake import LocalWake

AGENT = """
import json, os, pathlib, signal, sys
name, mode = sys.argv[1].rsplit("/", 2)[-2:]
box = pathlib.Path(os.environ["BOX"])
(box / f"{os.environ['RIG_INSTANCE']}.{os.getpid()}").write_text(json.dumps(dict(os.environ)))
if mode == "crash" and len(list(box.iterdir())) < 3:
    sys.exit(1)
if mode == "idle":
    sys.exit(0)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.read()
"""

Eventually = Callable[[Callable[[], object]], Awaitable[None]]


class Crew:
    """A launcher over little programs that note their start in a folder."""

    def __init__(self, folder: Path, mode: str, instances: int, **seconds: float) -> None:
        self.box = folder / "box"
        self.box.mkdir()
        program = folder / "agent.py"
        program.write_text(AGENT)
        self.wanted: dict[str, int] = {}
        self.held: dict[str, str] = {}
        self.wake = LocalWake()
        self.ends: list[tuple[str, str]] = []
        self.launcher = Launcher(
            {"dev": Post(Path(f"/posts/dev/{mode}"), instances)},
            self.demand,
            self.holders,
            self.wake,
            lambda name, slot: {"BOX": str(self.box), "RIG_INSTANCE": f"{name}-{slot}"},
            start=partial(spawn, program=(sys.executable, str(program))),
            ended=self.note_end,
            stop_seconds=0.5 if mode == "stubborn" else 8.0,
            **seconds,
        )

    async def note_end(self, instance: str, why: str) -> None:
        self.ends.append((instance, why))

    async def demand(self) -> dict[str, int]:
        return self.wanted

    async def holders(self) -> dict[str, str]:
        return self.held

    async def want(self, count: int, held: str = "") -> None:
        self.wanted = {"dev": count}
        self.held = {held: "issue-1-1:1"} if held else {}
        await self.wake.publish(TOPIC)

    def starts(self) -> list[str]:
        return sorted(path.name.partition(".")[0] for path in self.box.iterdir())


@contextlib.asynccontextmanager
async def running(crew: Crew) -> AsyncGenerator[Crew]:
    task = asyncio.create_task(crew.launcher.run())
    try:
        yield crew
    finally:
        task.cancel()
        await crew.launcher.stop()


def launched(
    folder: Path, mode: str = "work", instances: int = 2, **seconds: float
) -> AbstractAsyncContextManager[Crew]:
    return running(Crew(folder, mode, instances, **seconds))


async def test_nothing_runs_while_nothing_is_wanted(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path) as crew:
        await crew.want(0)
        assert crew.launcher.running() == {}


async def test_it_starts_as_many_as_are_wanted_up_to_the_limit(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path) as crew:
        await crew.want(1)
        await eventually(lambda: crew.starts() == ["dev-0"])
        await crew.want(9)
        await eventually(lambda: crew.starts() == ["dev-0", "dev-1"])
        assert len(crew.launcher.running()) == 2


async def test_an_agent_that_ended_idle_is_started_again_when_work_comes(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with launched(tmp_path, "idle", instances=1) as crew:
        await crew.want(1)
        await eventually(lambda: len(crew.starts()) >= 2)
        assert set(crew.starts()) == {"dev-0"}


async def test_an_agent_that_crashes_is_started_again_under_the_same_name(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with launched(tmp_path, "crash", instances=1) as crew:
        await crew.want(1)
        await eventually(lambda: crew.starts() == ["dev-0"] * 3)
        await eventually(lambda: list(crew.launcher.running()) == ["dev-0"])
        assert crew.ends == [("dev-0", "it cannot run")] * 2


async def test_work_that_nobody_takes_gets_another_process(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path, look_again_seconds=0.1, unserved_seconds=0.1) as crew:
        await crew.want(1)
        await eventually(lambda: crew.starts() == ["dev-0", "dev-1"])


async def test_who_takes_no_work_for_long_is_replaced(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(
        tmp_path, instances=1, look_again_seconds=0.1, unserved_seconds=0.1, hung_seconds=0.3
    ) as crew:
        await crew.want(1)
        await eventually(lambda: len(crew.starts()) >= 2)
        assert set(crew.starts()) == {"dev-0"}


async def test_who_is_at_work_is_left_alone_however_much_waits(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path, look_again_seconds=0.1, unserved_seconds=0.1, hung_seconds=0.3) as crew:
        await crew.want(9, held="dev-0")
        await eventually(lambda: crew.starts().count("dev-1") >= 2)
        assert crew.starts().count("dev-0") == 1


async def test_a_killed_agent_is_replaced(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path, instances=1) as crew:
        await crew.want(1)
        await eventually(lambda: crew.starts() == ["dev-0"])
        os.kill(crew.launcher.running()["dev-0"], signal.SIGKILL)
        await eventually(lambda: crew.starts() == ["dev-0", "dev-0"])


async def test_work_in_flight_goes_on_under_the_name_that_has_it(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path) as crew:
        await crew.want(1, held="dev-1")
        await eventually(lambda: crew.starts() == ["dev-1"])
        os.kill(crew.launcher.running()["dev-1"], signal.SIGKILL)
        await eventually(lambda: crew.starts() == ["dev-1", "dev-1"])


async def test_a_killed_holder_is_replaced_even_while_another_is_idle(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path) as crew:
        await crew.want(2)
        await eventually(lambda: crew.starts() == ["dev-0", "dev-1"])
        await crew.want(1, held="dev-0")
        os.kill(crew.launcher.running()["dev-0"], signal.SIGKILL)
        await eventually(lambda: crew.starts() == ["dev-0", "dev-0", "dev-1"])


async def test_the_child_sees_only_the_environment_it_is_given(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_WEBHOOK_SECRET", "not for agents")
    async with launched(tmp_path) as crew:
        await crew.want(1)
        await eventually(lambda: any(path.read_text() for path in crew.box.iterdir()))
        seen = json.loads(next(crew.box.iterdir()).read_text())
        assert {"BOX", "RIG_INSTANCE"} <= set(seen)
        assert "RIG_WEBHOOK_SECRET" not in seen


async def test_stop_ends_even_an_agent_that_ignores_the_request(tmp_path: Path, eventually: Eventually) -> None:
    async with launched(tmp_path, "stubborn", instances=1) as crew:
        await crew.want(1)
        await eventually(lambda: crew.starts() == ["dev-0"])
        pid = crew.launcher.running()["dev-0"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_whoever_comes_next_starts_with_the_first_and_once_only(tmp_path: Path, eventually: Eventually) -> None:
    crew = Crew(tmp_path, "work", 2)
    posts = {**crew.launcher.posts, "review": Post(Path("/posts/review/work"), 1, frozenset({"dev"}))}
    crew.launcher = replace(crew.launcher, posts=posts)
    async with running(crew):
        await crew.want(1)
        await eventually(lambda: crew.starts() == ["dev-0", "review-0"])
        await crew.want(2)
        await eventually(lambda: crew.starts() == ["dev-0", "dev-1", "review-0"])


def test_crashes_at_the_start_are_waited_out_ever_longer_and_work_begins_the_count_anew() -> None:
    first = pause(0, code=1, lived=1, worked=False)
    second = pause(first, code=-9, lived=1, worked=False)
    assert (first, second) == (FIRST_PAUSE, 2 * FIRST_PAUSE)
    assert pause(second, code=-9, lived=1, worked=True) == FIRST_PAUSE
    assert pause(60, code=1, lived=1, worked=False) == 60
    assert pause(60, code=0, lived=5, worked=False) == 0


def test_an_agent_without_a_model_waits_longer_whatever_it_claimed() -> None:
    first = pause(0, code=NO_MODEL, lived=90, worked=True)
    assert first == 10 * FIRST_PAUSE
    assert pause(first, code=NO_MODEL, lived=90, worked=True) == 2 * first
    assert pause(300, code=NO_MODEL, lived=1, worked=True) == 300


async def test_an_agent_that_claims_before_it_dies_comes_back_soon_every_time(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with launched(tmp_path, instances=1) as crew:
        await crew.want(1)
        for number in range(1, 5):
            await eventually(lambda number=number: len(crew.starts()) == number)
            crew.held = {"dev-0": f"issue-1-1:{number}"}
            os.kill(crew.launcher.running()["dev-0"], signal.SIGKILL)
