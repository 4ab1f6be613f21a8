"""A run whose process is told to leave while something hangs, or is killed: what is saved, and how it goes on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from agents.patience import first_of
from rig.doubles.anthropic.script import Play, say, use
from tests.agents.stage import BRANCH, Stage
from tests.agents.test_parking import FINISH, WHOLE, finish, write
from tests.fixtures_waiting import Eventually

RUN = "mcp__workspace__run_command"
SECONDS = 20


def half_then_nothing() -> Play:
    (yield say("", write(WHOLE))).only.ok()
    yield say("", use(RUN, command="sleep 60"))


def hanging_tests() -> Play:
    checks = "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(60)\n"
    (yield say("", write(checks, "checks.py"))).only.ok()
    yield say("", FINISH)


def whole() -> Play:
    (yield say("", write(WHOLE))).only.ok()
    yield say("", FINISH)


async def leave(stage: Stage, eventually: Eventually, hangs: Callable[[], object], **environment: str) -> None:
    """Start a process and tell it to leave once it hangs."""
    stage.offer()
    async with stage.process(**environment) as process:
        await eventually(hangs)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            assert await process.wait() == 0
    assert stage.conductor.said("release_assignment")[0]["parked"]


async def test_a_model_that_hangs_keeps_nobody(stage: Stage, eventually: Eventually) -> None:
    stage.script(half_then_nothing)
    await stage.model_fault("silent", skip=1)
    await leave(stage, eventually, lambda: len(stage.requests) == 2)
    assert f"{stage.git('show', f'{BRANCH}:app.py')}\n" == WHOLE


async def test_tests_that_hang_keep_nobody(stage: Stage, eventually: Eventually) -> None:
    stage.script(hanging_tests)
    await leave(stage, eventually, lambda: list((stage.folder / "data").glob("agents/*/runs/*/tree/started")))
    assert "sleep" in stage.git("show", f"{BRANCH}:checks.py")


async def test_a_push_that_hangs_keeps_nobody(stage: Stage, eventually: Eventually) -> None:
    stage.script(whole)
    await stage.github.fault("slow", "*/git-receive-pack", seconds=60)
    pushes = lambda: len(stage.conductor.said("check_claim")) == 2  # noqa: E731
    await leave(stage, eventually, pushes, RIG_DRAIN_SECONDS="1")
    assert stage.branches() == ["main"]


async def test_what_does_not_end_is_left_behind() -> None:
    ended = asyncio.Event()

    async def stubborn() -> str:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    async def quick() -> str:
        return "first"

    assert await first_of(stubborn(), quick(), cancel_seconds=0.05) == "first"
    ended.set()


async def killed(stage: Stage, play: Any = half_then_nothing) -> None:
    """A run that is killed after the model has changed the files."""
    stage.script(play)
    stage.offer()
    async with stage.process() as process:
        await stage.conductor.heard("TOKEN_USAGE", times=2)
        process.kill()
        await process.wait()
    stage.requests.clear()


async def test_the_next_process_goes_on_with_the_files_of_a_killed_one(stage: Stage) -> None:
    await killed(stage)
    stage.script(finish)
    assert await stage.run() == 0
    assert "\nEarlier work: The files hold what was done" in stage.opening()
    assert stage.conductor.facts()[-2:] == ["PR_CREATED", "complete_assignment"]
    assert f"{stage.git('show', f'{BRANCH}:app.py')}\n" == WHOLE
    assert "Rig-Parked: its process was killed" in stage.git("log", "--format=%B", BRANCH)
    assert not list((stage.folder / "data").glob("agents/*/runs/*"))


async def test_files_that_no_longer_fit_their_branch_are_thrown_away_with_the_reason(stage: Stage) -> None:
    await killed(stage)
    stage.push({"NEWS.md": "Soon.\n"}, stage.git("rev-parse", "main"))
    stage.script(whole)
    async with stage.process(RIG_IDLE_EXIT_SECONDS="0.1") as process:
        assert await asyncio.wait_for(process.wait(), 60) == 0
    assert f"{BRANCH} went on meanwhile" in stage.log()
    assert "Earlier work" not in stage.opening()
    assert stage.git("show", f"{BRANCH}:NEWS.md") == "Soon."


async def test_a_secret_in_the_files_of_a_killed_process_is_not_pushed(stage: Stage) -> None:
    def leak() -> Play:
        (yield say("", write(f"key = 'ghp_{'a' * 36}'\n"))).only.ok()
        yield say("", use(RUN, command="sleep 60"))

    await killed(stage, leak)
    stage.script(whole)
    assert await stage.run() == 0
    assert "Earlier work" not in stage.opening()
    assert "ghp_aaa" not in stage.git("log", "-p", BRANCH)


async def test_files_for_work_that_somebody_else_has_now_are_thrown_away(stage: Stage) -> None:
    await killed(stage)
    stage.conductor.offers.clear()
    assert await stage.run() == 0
    assert stage.branches() == ["main"]
    assert not list((stage.folder / "data").glob("agents/*/runs/*"))
