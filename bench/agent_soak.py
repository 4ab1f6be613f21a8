"""Hundreds of assignments by one agent process, one right after the other: whether anything grows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.agent_stage import around_agent, files_in
from bench.common import Result, Target, at_least, at_most, result, stderr
from rig.doubles.anthropic.script import Play, say, use
from tests.agents.stage import Stage

NAME = "agent_soak"
SENTENCE = "Resident memory of an agent process after eight hours of scripted assignments, done without a pause"
ASSIGNMENTS = 400  # at the rate of one in 72 seconds these are eight hours
GROWTH = 1.05
ENDS = ("complete_assignment", "release_assignment", "report_stuck")
EVERY = 10


@dataclass(frozen=True)
class Sample:
    """What a process takes while it waits for work."""

    assignment: int
    mb: float
    descriptors: int
    threads: int
    children: int
    temporary: int


async def run(quick: bool) -> Result:
    """An idle agent is measured after each assignment."""
    assignments = EVERY if quick else ASSIGNMENTS
    async with around_agent() as stage:
        temporary = stage.folder / "tmp"
        temporary.mkdir()
        environment = {"RIG_IDLE_EXIT_SECONDS": "0", "RIG_LOG_LEVEL": "WARNING", "TMPDIR": str(temporary)}
        async with stage.fresh_process(**environment) as process:
            samples = [await _sample(stage, process.pid, temporary, 0)]
            for number in range(1, assignments + 1):
                await _assign(stage, number)
                samples.append(await _sample(stage, process.pid, temporary, number))
                if number % EVERY == 0:
                    stderr.print(f"[dim]{samples[-1]}[/dim]")
            process.terminate()
            code = await process.wait()
        left = files_in(temporary, *stage.folder.glob("data/agents/*/runs"))
    shown = samples[:: max(1, assignments // 8)]
    return result(
        NAME,
        "MB",
        ours=samples[-1].mb,
        rows=[asdict(sample) for sample in shown],
        targets=[*_flat(samples), at_most("files left at the end", left, 0), at_most("exit code", code, 0)],
    )


def _flat(samples: Sequence[Sample]) -> list[Target]:
    """The last quarter against the second one, for what is loaded late counts as no growth."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]

    def more(of: Callable[[Sample], float]) -> float:
        return median(map(of, late)) - median(map(of, early))

    return [
        at_least("assignments", samples[-1].assignment, EVERY),
        at_most("× memory", round(median(s.mb for s in late) / median(s.mb for s in early), 3), GROWTH),
        at_most("more descriptors", more(lambda sample: sample.descriptors), 0),
        at_most("more threads", more(lambda sample: sample.threads), 0),
        at_most("more children", more(lambda sample: sample.children), 0),
        at_most("more temporary files", more(lambda sample: sample.temporary), 0),
    ]


async def _sample(stage: Stage, pid: int, temporary: Path, number: int) -> Sample:
    """Measured once the agent asks for work again, with nothing left to clean up."""
    await stage.conductor.heard("claim_assignment", 60, times=number + 1)
    process = psutil.Process(pid)
    with process.oneshot():
        return Sample(
            assignment=number,
            mb=round(process.memory_info().rss / 2**20, 1),
            descriptors=process.num_fds(),
            threads=process.num_threads(),
            children=len(process.children(recursive=True)),
            temporary=files_in(temporary, *stage.folder.glob("data/agents/*/runs")),
        )


async def _assign(stage: Stage, number: int) -> None:
    """One assignment, from its offer to its end, as they come in a day's work."""
    conductor = stage.conductor
    ended = sum(conductor.names.count(end) for end in ENDS)
    about: dict[str, Any] = {
        "issue_number": 100 + number,
        "branch": f"feature/issue-{100 + number}-double",
        "run": f"run-{number}",
    }
    match number % EVERY:
        case 3:
            stage.script(_give_up)
            stage.offer(**about)
        case 5:
            stage.script(_repair)
            await stage.model_fault("overloaded")
            stage.offer(**about)
        case 6:
            stage.script(_endless)
            usages = conductor.names.count("TOKEN_USAGE")
            stage.offer(**about)
            await conductor.heard("TOKEN_USAGE", 60, times=usages + 2)
            conductor.stop = "critical ada/tally#9 goes first"
        case 9:
            stage.script(_rework)
            stage.offer("rework", **_last_pull(stage), feedback="Say so in NOTES.md.", run=f"run-{number}")
        case _:
            stage.script(_repair)
            stage.offer(**about)
    async with conductor.changed:
        await conductor.changed.wait_for(lambda: sum(conductor.names.count(end) for end in ENDS) > ended)
    conductor.stop = None
    stage.requests.clear()


def _last_pull(stage: Stage) -> dict[str, Any]:
    """What the assignment of a rework says of the newest pull request."""
    pull = stage.conductor.said("PR_CREATED")[-1]
    branch = stage.conductor.said("BRANCH_CREATED")[-1]["branch"]
    known = {"number": pull["number"], "url": pull["url"], "head_sha": pull["head_sha"]}
    number = int(branch.split("-")[1])
    return {"pull_request": known, "reason": "changes_requested", "branch": branch, "issue_number": number}


def _repair() -> Play:
    (yield say("", use("mcp__workspace__read_file", path="app.py"))).only.ok()
    (yield say("", use("mcp__workspace__edit_file", path="app.py", old="n + n + 1", new="2 * n"))).only.ok()
    (yield say("", use("mcp__workspace__run_command", command=f"{Path(sys.executable).name} checks.py"))).only.ok()
    yield say("", use("finish", title="fix: double the number", summary="It added one too many."))


def _rework() -> Play:
    (yield say("", use("mcp__workspace__write_file", path="NOTES.md", content="Doubling is 2 * n.\n"))).only.ok()
    yield say("", use("finish", title="docs: say how it doubles", summary="As the review asks."))


def _give_up() -> Play:
    (yield say("", use("mcp__workspace__list_files"))).only.ok()
    yield say("", use("give_up", reason="It contradicts itself.", error_class="unclear_issue"))


def _endless() -> Play:
    (yield say("", use("mcp__workspace__write_file", path="half.txt", content="half\n"))).only.ok()
    while True:
        (yield say("", use("mcp__workspace__list_files"))).only.ok()
