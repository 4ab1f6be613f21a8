"""CI that really runs: the jobs of the repository's workflows, at the pushed commit, reported as check runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rig.doubles.github import checks, workflow
from rig.doubles.github import repos as store
from rig.doubles.github.model import ZERO, CheckRun, PullRequest, Repository, User
from rig.doubles.github.plumbing import git
from rig.doubles.github.state import World

AT_ONCE = 2
LOG_LIMIT = 60_000
BASH = ("bash", "--noprofile", "--norc", "-euo", "pipefail", "-c")


@dataclass(frozen=True)
class Start:
    """What started CI: an event on a branch at a commit."""

    repo: Repository
    event: str
    branch: str
    sha: str
    ref: str
    before: str | None = None


class Ci:
    def __init__(self, world: World) -> None:
        self.world = world
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.running: set[asyncio.Task[None]] = set()

    def pushed(self, repo: Repository, branch: str, sha: str, before: str) -> None:
        known = None if before == ZERO else before
        self._spawn(Start(repo, "push", branch, sha, f"refs/heads/{branch}", known))

    def pull_changed(self, repo: Repository, pull: PullRequest) -> None:
        ref = f"refs/pull/{pull.number}/head"
        self._spawn(Start(repo, "pull_request", pull.base_ref, pull.head_sha, ref))

    async def grouped(self, repo: Repository, base: str, sha: str, ref: str) -> None:
        """Run what starts on a merge group, to its end."""
        await self._start(Start(repo, "merge_group", base, sha, ref))

    def _spawn(self, start: Start) -> None:
        task = self.world.spawn(self._start(start))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def settle(self) -> None:
        while self.running:
            await asyncio.wait(self.running)

    async def _start(self, start: Start) -> None:
        files = await store.entries(start.repo.path, start.sha, ".github/workflows/")
        names = [f for f in files if f.kind == "blob" and f.path.endswith((".yml", ".yaml"))]
        for file in names:
            text = (await store.blob(start.repo.path, file.sha)).decode(errors="replace")
            await self._workflow(start, file.path, text)

    async def _workflow(self, start: Start, path: str, text: str) -> None:
        app = self.world.actions_app()
        bot = checks.bot_of(self.world, app)
        branch = start.branch if start.event == "push" else None
        try:
            plan = workflow.read(path, text)
        except workflow.WorkflowInvalid as problem:
            suite = checks.new_suite(self.world, start.repo, app, start.sha, branch, start.before)
            run = checks.new_run(self.world, start.repo, suite, path, bot)
            run.title, run.summary = "Invalid workflow file", str(problem)
            await checks.complete_run(self.world, start.repo, run, "failure", bot)
            return
        if plan.starts_on(start.event, start.branch):
            suite = checks.new_suite(self.world, start.repo, app, start.sha, branch, start.before)
            runs = {job.key: checks.new_run(self.world, start.repo, suite, job.name, bot) for job in plan.jobs}
            await self._jobs(start, plan.jobs, runs, bot)

    async def _jobs(self, start: Start, jobs: list[workflow.Job], runs: dict[str, CheckRun], bot: User) -> None:
        """Every job as its own task; one that needs others waits for them."""
        tasks: dict[str, asyncio.Task[None]] = {}

        async def one(job: workflow.Job) -> None:
            await asyncio.gather(*(tasks[name] for name in job.needs if name in tasks))
            broken = [n for n in job.needs if n not in runs or runs[n].conclusion != "success"]
            if broken:
                await checks.complete_run(self.world, start.repo, runs[job.key], "skipped", bot)
            else:
                await self._job(start, job, runs[job.key], bot)

        for job in jobs:
            tasks[job.key] = asyncio.create_task(one(job))
        await asyncio.gather(*tasks.values())

    async def _job(self, start: Start, job: workflow.Job, run: CheckRun, bot: User) -> None:
        async with self.slots:
            checks.start_run(run)
            async with checkout(start.repo.path, start.sha) as folder:
                conclusion, text = await run_job(folder, start, job)
        run.log = text
        if start.repo.actions_output:
            run.title, run.text = f"{job.name}: {conclusion}", text
            run.summary = f"{len(job.steps)} steps at {start.sha[:7]}"
        await checks.complete_run(self.world, start.repo, run, conclusion, bot)


@asynccontextmanager
async def checkout(repository: Path, sha: str) -> AsyncGenerator[Path]:
    """A throw-away clone at one commit that borrows the bare repository's objects."""
    with tempfile.TemporaryDirectory(prefix="ci-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        work = root / "work"
        await git(root, "clone", "-q", "--shared", "--no-checkout", "--no-tags", str(repository), str(work))
        await git(work, "-c", "advice.detachedHead=false", "checkout", "-q", sha)
        (root / "home").mkdir()
        yield work


async def run_job(folder: Path, start: Start, job: workflow.Job) -> tuple[str, str]:
    """Run a job's steps in order; the first that fails ends it. Answers conclusion and log."""
    log = folder.parent / "log"
    with log.open("wb", buffering=0) as output:
        conclusion = await _steps(folder, start, job, output)
    return conclusion, await asyncio.to_thread(_tail, log)


async def _steps(folder: Path, start: Start, job: workflow.Job, output: BinaryIO) -> str:
    try:
        async with asyncio.timeout(job.minutes * 60):
            for step in job.steps:
                output.write(f"##[group]Run {step.name}\n{step.run.rstrip()}\n##[endgroup]\n".encode())
                code = await _step(folder, environment(folder, start, job.env | step.env), step, output)
                if code and not step.continue_on_error:
                    output.write(f"##[error]Process completed with exit code {code}.\n".encode())
                    return "failure"
    except TimeoutError:
        output.write(f"##[error]The job exceeded its limit of {job.minutes:g} minutes.\n".encode())
        return "timed_out"
    return "success"


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - LOG_LIMIT, 0))
        return file.read().decode(errors="replace").replace("\0", "")


def environment(folder: Path, start: Start, more: dict[str, str]) -> dict[str, str]:
    """A clean environment: nothing of ours but the interpreter."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(folder.parent / "home"),
        "LANG": "C.UTF-8",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": start.event,
        "GITHUB_REF": start.ref,
        "GITHUB_REPOSITORY": start.repo.full_name,
        "GITHUB_SHA": start.sha,
        "GITHUB_WORKSPACE": str(folder),
        **more,
    }


async def _step(folder: Path, env: dict[str, str], step: workflow.Step, output: BinaryIO) -> int:
    if "${{" in step.run:
        output.write("Expressions (${{ … }}) are not evaluated here; use the environment instead.\n".encode())
        return 1
    try:
        process = await asyncio.create_subprocess_exec(
            *BASH,
            step.run,
            cwd=folder / step.directory,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except (OSError, ValueError) as problem:
        output.write(f"{problem}\n".encode())
        return 1
    try:
        return await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
