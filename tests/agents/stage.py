"""Everything around an agent under test, and the means to run one."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from starlette.types import ASGIApp

from agents.git import Credential
from agents.run import run_agent
from agents.settings import AgentSettings
from agents.workspace import WorkingCopy
from rig.doubles.anthropic.faults import Kind
from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Script, Turn, replay, say, use
from rig.doubles.github.client import GitHubDouble
from servers.kit.auth import SigningKey
from servers.kit.character import Character, load
from tests.agents.conductor import REPOSITORY, Conductor
from tests.agents.memories import Memories
from tests.agents.warm import Warm, WarmProcess
from tests.loopback import listening

ROOT = Path(__file__).parents[2]
BRANCH = "feature/issue-12-double"
GIT_TOKEN = "ghp_devdevdevdevdevdevdevdevdevdevdevdev"
FILES = {
    "AGENTS.md": "Tests live in checks.py.\n",
    ".rig-agent.yaml": "stack: python\ntestCommand: python3 checks.py\n",
    "app.py": "def double(n):\n    return n + n + 1\n",
    "checks.py": "import app\nassert app.double(2) == 4, app.double(2)\nprint('OK')\n",
    ".github/workflows/ci.yml": "on: [pull_request]\njobs: {}\n",
}
SEED: dict[str, Any] = {
    "identities": [
        {"token": "ghp_conductor", "login": "rig-conductor[bot]"},
        {"token": GIT_TOKEN, "login": "rig-dev[bot]"},
        {"token": "ghp_review", "login": "rig-review[bot]"},
        {"token": "ada", "login": "ada"},
    ],
    "repositories": [
        {
            "name": REPOSITORY,
            "files": FILES,
            "private": True,
            "permissions": {f"rig-{who}[bot]": "write" for who in ("conductor", "dev", "review")},
        }
    ],
}


@dataclass
class Model:
    """A scripted Messages API: the first of `scripts` that gives a turn answers, else the play."""

    url: str
    requests: list[MessagesRequest] = field(default_factory=list[MessagesRequest])
    plays: list[Callable[[], Play]] = field(default_factory=list[Callable[[], Play]])
    scripts: list[Script] = field(default_factory=list[Script])

    def answer(self, request: MessagesRequest) -> Turn:
        self.requests.append(request)
        if self.scripts:
            return self.scripts[0](request)
        return replay(request, self.plays[0]())


@dataclass
class Stage:
    """Everything around an agent, and the means to run one."""

    github: GitHubDouble
    conductor: Conductor
    key: SigningKey
    url: str
    model: Model
    folder: Path
    warm: Warm
    memories: Memories = field(default_factory=Memories)

    @property
    def requests(self) -> list[MessagesRequest]:
        """What the model was asked."""
        return self.model.requests

    def script(self, play: Callable[[], Play]) -> None:
        """What the model says from now on."""
        self.model.plays[:] = [play]

    async def model_fault(self, kind: Kind, **order: Any) -> None:
        """Order a fault of the model's API."""
        await AnthropicDouble(self.model.url).fault(kind, **order)

    async def pull_request(self, files: dict[str, str | None]) -> dict[str, Any]:
        """A pull request of the dev that changes `files`, as an assignment names it."""
        sha = await self.github.push_files(REPOSITORY, BRANCH, files, login="rig-dev[bot]")
        pull = {"title": "fix: x", "body": "Closes #12", "head": BRANCH, "base": "main"}
        answer = await self.github.api("POST", f"/repos/{REPOSITORY}/pulls", "ada", pull)
        return {"number": answer.raise_for_status().json()["number"], "url": "", "head_sha": sha}

    def offer(self, kind: str = "implement", **more: Any) -> None:
        """Work for whoever asks."""
        self.conductor.offers.append(
            {
                "kind": kind,
                "repository": REPOSITORY,
                "repository_id": 1,
                "issue_number": 12,
                "title": "double() is off by one",
                "body": "double(2) gives 5.",
                "url": "",
                "labels": [],
                "priority": "normal",
                "attempt": 1,
                "branch": BRANCH,
                "base": "main",
                "pull_request": None,
                "reason": None,
                "feedback": None,
                "run": "0190-run",
                "lease_until": "2026-01-01T00:00:00Z",
                "heartbeat_seconds": 0.2,
                **more,
            }
        )

    def character(self, name: str = "dev-e-python", **budget: Any) -> Character:
        character = self.warm.at_hand(load(ROOT / "characters" / f"{name}.yaml"))
        return character.model_copy(update={"budget": character.budget.model_copy(update=budget)})

    def settings(self, **more: Any) -> AgentSettings:
        said: dict[str, Any] = {
            "conductor_url": self.url,
            "token": self.token(),
            "instance": "dev-1",
            "data_dir": self.folder / "data",
            "idle_exit_seconds": 0.1,
            "patience_seconds": 5,
            "model_patience_seconds": 5,
            "anthropic_api_key": "sk-ant-double",
            "status_port": 0,
        }
        return AgentSettings.load(**said | more)

    def token(self, role: Literal["dev", "review"] = "dev") -> str:
        return self.key.issue(f"{role}-e", role, timedelta(hours=1))

    async def run(self, character: Character | None = None, **settings: Any) -> int:
        """One agent, until it has nothing more to do."""
        async with asyncio.timeout(60):
            return await run_agent(character or self.character(), self.settings(**settings), asyncio.Event())

    @asynccontextmanager
    async def process(self, of: Character | None = None, /, **more: str) -> AsyncGenerator[WarmProcess]:
        """An agent in a process of its own."""
        character = self.folder / "dev-e-python.yaml"
        character.write_text((of or self.character()).model_dump_json(by_alias=True, exclude_unset=True))
        with (self.folder / "agent.log").open("ab") as log:
            process = await self.warm.start("agents", [str(character)], self._environment() | more, log.fileno())
        try:
            yield process
        finally:
            process.kill()
            await process.wait()
            process.stdin.close()

    @asynccontextmanager
    async def fresh_process(self, **more: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """An agent in a process that Python was started for, as users have it."""
        character = ROOT / "characters" / "dev-e-python.yaml"
        command = (sys.executable, "-m", "agents", str(character))
        with (self.folder / "agent.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._environment() | more, stdin=subprocess.PIPE, stderr=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "RIG_CONDUCTOR_URL": self.url,
            "RIG_TOKEN": self.token(),
            "RIG_INSTANCE": "dev-1",
            "RIG_DATA_DIR": str(self.folder / "data"),
            "ANTHROPIC_API_KEY": "sk-ant-double",
            "ANTHROPIC_BASE_URL": self.model.url,
            "RIG_STATUS_PORT": "0",
        }

    def repair(self) -> Play:
        """What solves the issue."""
        return repair()

    def log(self) -> str:
        """What the processes wrote."""
        return (self.folder / "agent.log").read_text()

    def git(self, *arguments: str) -> str:
        """Run git in the bare repository behind the double."""
        bare = self.github.world.repository(*REPOSITORY.split("/")).path
        said = subprocess.run(["git", *arguments], cwd=bare, check=True, capture_output=True, text=True)
        return said.stdout.strip()

    def push(self, files: dict[str, str], start: str, message: str = "docs: by hand", branch: str = BRANCH) -> str:
        """Commit `files` on top of `start` and put the branch there as a person may, by force; answers the commit."""
        bare = self.github.world.repository(*REPOSITORY.split("/")).path
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)

            def git(*arguments: str) -> str:
                who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
                command = ["git", *who, *arguments]
                return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

            git("init", "-q")
            git("fetch", "-q", str(bare), start)
            git("checkout", "-q", "FETCH_HEAD")
            for path, content in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(content)
            git("add", ".")
            git("commit", "-qm", message)
            git("push", "-qf", str(bare), f"HEAD:refs/heads/{branch}")
            return git("rev-parse", "HEAD").strip()

    def branches(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()

    def opening(self) -> str:
        return self.requests[0].opening


@dataclass
class Local:
    """A repository on this disk, and an agent's working copy of it."""

    copy: WorkingCopy
    credential: Credential
    remote: Path
    base: str = ""

    def git(self, *arguments: str) -> str:
        """Run git in the remote."""
        return self.run(self.remote, *arguments)

    def run(self, folder: Path, *arguments: str) -> str:
        """Run git in `folder`, as anybody would."""
        said = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return said.stdout.strip()

    def write(self, path: str, content: str) -> None:
        """Change the agent's files."""
        file = self.copy.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@asynccontextmanager
async def served(make: Callable[[str], ASGIApp]) -> AsyncGenerator[str]:
    """An application on loopback; `make` gets its URL."""
    with free_socket() as (listener, url):
        async with listening(make(url), [listener]):
            yield url


@contextmanager
def free_socket() -> Generator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


def repair() -> Play:
    """Solves the issue that `Stage.offer` offers."""
    read = yield say("I will look.", use("mcp__workspace__read_file", path="app.py"))
    read.only.ok()
    edit = use("mcp__workspace__edit_file", path="app.py", old="n + n + 1", new="2 * n")
    edited = yield say("The + 1 is wrong.", edit)
    edited.only.ok()
    yield say("Done.", use("finish", title="fix: double the number", summary="It added one too many."))
