"""What an agent adds to its model and its tools: a turn's overhead, the way to the first question, idle memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.stdio import StdioConnection
from bench.agent_stage import around_agent
from bench.common import Result, at_most, interleaved, result
from bench.common import run as run_program
from bench.peers import python_of
from rig.doubles.anthropic.app import create_app
from rig.doubles.anthropic.script import Play, replay, say, use
from servers.kit.character import StdioServer
from tests.agents.conductor import REPOSITORY
from tests.agents.stage import FILES, Stage, served

NAME = "agent_overhead"
SENTENCE = "What the runtime adds to a turn of the model beside model and tools, with budgets and costs reported"
TURN_MS, FIRST_SECONDS, IDLE_MB = 5.0, 1.5, 80.0
READ = "mcp__workspace__read_file"
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
MEGABYTE = 2**20


@dataclass
class Marks:
    """When requests to the model came and when their answers were sent, by one clock."""

    came: list[float] = field(default_factory=list[float])
    sent: list[float] = field(default_factory=list[float])

    def wrap(self, app: ASGIApp) -> ASGIApp:
        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].endswith("/messages"):
                await app(scope, receive, send)
                return
            self.came.append(time.perf_counter())

            async def mark(message: Message) -> None:
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    self.sent.append(time.perf_counter())

            await app(scope, receive, mark)

        return timed

    def gaps(self) -> list[float]:
        """Seconds from the end of each answer to the next question."""
        return [came - sent for sent, came in zip(self.sent, self.came[1:], strict=False)]


async def run(quick: bool) -> Result:
    """Rounds of both agents by turns, then the claim of a large repository and an agent at rest."""
    rounds, turns, megabytes = (1, 10, 4) if quick else (5, 50, 200)  # a run has at most 60 turns
    python = await python_of("mini_swe_agent")
    async with around_agent() as stage:
        tool = await _tool_seconds(stage.folder, turns)
        contenders = {
            "ours": lambda: _ours(stage, turns, tool),
            "mini-swe-agent": lambda: _mini(stage.folder, python, turns),
        }
        medians = await interleaved(rounds, contenders, f"{turns} turns, ms a turn")
        idle = await _idle(stage)
        first = await _first_question(stage, megabytes)
    ours, peer = medians["ours"], medians["mini-swe-agent"]
    return result(
        NAME,
        "ms a turn",
        ours=ours,
        peer=peer,
        peer_name="mini-swe-agent",
        rows=[{"tool_ms": tool * 1000, "idle_mb": idle, "first_question_s": first, "repository_mb": megabytes}],
        targets=[
            at_most("overhead of a turn, ms", round(ours, 2), TURN_MS),
            at_most("claim to first question, s", round(first, 2), FIRST_SECONDS),
            at_most("idle agent, MB", idle, IDLE_MB),
        ],
    )


async def _ours(stage: Stage, turns: int, tool: float) -> float:
    """Our agent reads a file again and again."""
    marks = Marks()

    def play() -> Play:
        for _ in range(turns):
            (yield say("", use(READ, path="app.py"))).only.ok()
        yield say("", use("give_up", reason="Enough.", error_class="bench"))

    async with served(lambda _: marks.wrap(create_app(lambda asked: replay(asked, play())))) as url:
        before = stage.conductor.names.count("report_stuck")
        stage.offer()
        environment = {"ANTHROPIC_BASE_URL": url, "RIG_LOG_LEVEL": "WARNING"}
        async with stage.fresh_process(**environment):
            await stage.conductor.heard("report_stuck", 120, times=before + 1)
    return _milliseconds(marks.gaps(), tool)


async def _mini(folder: Path, python: Path, turns: int) -> float:
    """mini-swe-agent reads the same file with the one tool that it has."""
    marks = Marks()
    (folder / "mini").mkdir(exist_ok=True)
    (folder / "mini" / "app.py").write_text(FILES["app.py"])

    def play() -> Play:
        for _ in range(turns):
            yield say("Reading.", use("bash", command="cat app.py"))
        yield say("Done.", use("bash", command=SUBMIT))

    async with served(lambda _: marks.wrap(create_app(lambda asked: replay(asked, play())))) as url:
        script = str(Path(__file__).with_name("mini_swe_agent.py"))
        home = {"PATH": os.environ["PATH"], "HOME": str(folder), "MSWEA_GLOBAL_CONFIG_DIR": str(folder)}
        said = await run_program(str(python), script, url, str(folder / "mini"), env=home)
    ended = json.loads(said.splitlines()[-1])
    if ended["exit"] != "Submitted":
        raise RuntimeError(f"mini-swe-agent did not finish: {ended}")
    return _milliseconds(marks.gaps(), ended["command_seconds"])


def _milliseconds(gaps: Sequence[float], tool: float) -> float:
    return max(0.0, median(gaps) - tool) * 1000


async def _tool_seconds(folder: Path, calls: int) -> float:
    """How long the tool itself takes, over the same kind of connection."""
    place = folder / "tool"
    (place / "tree").mkdir(parents=True)
    (place / "tree" / "app.py").write_text(FILES["app.py"])
    server = StdioServer(command="python", args=["-P", "-m", "servers.workspace"])
    connection = StdioConnection("workspace", server, place)
    try:
        await connection.call("read_file", {"path": "app.py"})
        return median([await _timed(connection) for _ in range(calls)])
    finally:
        await connection.aclose()


async def _timed(connection: StdioConnection) -> float:
    began = time.perf_counter()
    await connection.call("read_file", {"path": "app.py"})
    return time.perf_counter() - began


async def _idle(stage: Stage) -> float:
    """What an agent takes that waits for its first work."""
    asked = stage.conductor.names.count("claim_assignment")
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(stage.fresh_process(RIG_IDLE_EXIT_SECONDS="0"))
        await stage.conductor.heard("claim_assignment", 60, times=asked + 1)
        return round(psutil.Process(process.pid).memory_info().rss / MEGABYTE, 1)


async def _first_question(stage: Stage, megabytes: int) -> float:
    """From a claim to the first question to the model, with a clone that an earlier assignment made."""
    _grow(stage, megabytes)

    def play() -> Play:
        yield say("", use("give_up", reason="Enough.", error_class="bench"))

    marks, claimed = Marks(), 0.0
    environment = {"RIG_IDLE_EXIT_SECONDS": "0", "RIG_LOG_LEVEL": "WARNING"}
    async with AsyncExitStack() as stack:
        model = served(lambda _: marks.wrap(create_app(lambda asked: replay(asked, play()))))
        url = await stack.enter_async_context(model)
        await stack.enter_async_context(stage.fresh_process(ANTHROPIC_BASE_URL=url, **environment))
        for number in range(2):
            ends = stage.conductor.names.count("report_stuck")
            claimed = time.perf_counter()
            stage.offer(issue_number=50 + number, branch=f"feature/issue-{50 + number}-double")
            await stage.conductor.heard("report_stuck", 300, times=ends + 1)
    return marks.came[-1] - claimed


def _grow(stage: Stage, megabytes: int) -> None:
    """Give the repository's main branch files that do not compress."""
    bare = stage.github.world.repository(*REPOSITORY.split("/")).path
    work = stage.folder / "large"
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", "clone", "-q", str(bare), str(work)], check=True)
    for number in range(megabytes):
        path = work / f"data-{number % 20}" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(MEGABYTE))
    for command in (("add", "."), (*who, "commit", "-qm", "chore: data"), ("push", "-q", "origin", "HEAD:main")):
        subprocess.run(["git", *command], cwd=work, check=True)
