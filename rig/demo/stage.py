"""Everything that the demo runs: the two doubles and a `rig up` of its own, in a folder that goes with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.doubles.anthropic.process import AnthropicDouble
from rig.doubles.anthropic.process import running as anthropic_double
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.seed import TEMPLATE
from rig.doubles.github.client import GitHubDouble
from servers.kit.errors import Unavailable

REPOSITORY = "ada/tally"
LABEL = "agent-ready"
USUAL = "anthropic"
OWNER, STRANGER = "ada", "mallory"
CONDUCTOR, DEV, REVIEW = "rig-conductor[bot]", "rig-dev[bot]", "rig-review[bot]"
START_SECONDS, STOP_SECONDS = 60.0, 25.0
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
LOG_LINES = 400


class RigProcess:
    """A `rig up` as a process of its own.

    Args:
        environment: Its whole environment.
        heard: Called with each line of its log.
    """

    def __init__(self, environment: dict[str, str], heard: Callable[[str], None]) -> None:
        self._environment = environment
        self._heard = heard
        self.tail: deque[str] = deque(maxlen=LOG_LINES)
        self.process: asyncio.subprocess.Process | None = None
        self.said: dict[str, Any] = {}
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            Unavailable: It ended instead.
        """
        command = [sys.executable, "-P", "-m", "rig", "up", "--json"]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            process_group=0,
            limit=1 << 20,
        )
        self._reader = asyncio.create_task(self._read(self.process))
        async with asyncio.timeout(START_SECONDS):
            line = await self.process.stdout.readline() if self.process.stdout else b""
        if not line:
            await self._reader
            raise Unavailable("`rig up` did not start:\n" + "\n".join(list(self.tail)[-15:]))
        self.said = json.loads(line)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is not None:
            async for line in process.stderr:
                text = line.decode(errors="replace").rstrip()
                self.tail.append(text)
                self._heard(text)
        await process.wait()

    async def ended(self) -> None:
        """Wait until it ends by itself."""
        if self.process is not None:
            await self.process.wait()

    async def kill(self) -> None:
        """End it without any chance to tidy up."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """Ask it to end; end it by force if it does not."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        if self._reader is not None:
            await self._reader


@dataclass(frozen=True)
class Stage:
    """The doubles, the rig, and the accounts that act on GitHub.

    Attributes:
        tokens: Of each account on GitHub, by login.
        bare: The repository that everything ends up in.
    """

    folder: Path
    github: GitHubDouble
    model: AnthropicDouble
    rig: RigProcess
    tokens: Mapping[str, str]
    bare: Path

    @property
    def url(self) -> str:
        return str(self.rig.said["url"])

    async def file_issue(self, number: int) -> int:
        """File the demo's issue at place `number` as its owner would, and label it; its number on GitHub."""
        issue, owner = ISSUES[number], self.tokens[OWNER]
        labels = [label for label in issue.labels if label != LABEL]
        filed = await self.github.file_issue(REPOSITORY, issue.title, issue.body, token=owner, labels=labels)
        await self.github.label_issue(REPOSITORY, filed, LABEL, token=owner)
        return filed

    def token(self) -> str:
        """The token of the person whose rig it is."""
        return Path(self.rig.said["token_file"]).read_text().strip()


@asynccontextmanager
async def staged(
    heard: Callable[[str], None] = lambda _: None, *, agents: int = 1, provider: str = USUAL, **settings: str
) -> AsyncGenerator[Stage]:
    """Start everything at once, and end and remove everything with the block.

    Args:
        heard: Called with each line of the rig's log.
        agents: How many of each character may run.
        provider: How all of them reach their model.
        settings: Further environment variables of `rig up`.
    """
    folder = _folder()
    ports = free_ports(3)
    tokens = {login: f"ghp_{secrets.token_hex(18)}" for login in (OWNER, STRANGER, CONDUCTOR, DEV, REVIEW)}
    secret = secrets.token_hex(16)
    environment = _environment(folder, tokens, secret, ports) | {"RIG_AGENTS": str(agents)} | settings
    if provider != USUAL:
        environment["RIG_CHARACTERS"] = str(_crew(folder, provider))
    rig = RigProcess(environment, heard)
    seed = _seed(tokens, secret, ports[2])
    try:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(rig.stop)
            github, model, _ = await _all(
                stack.enter_async_context(GitHubDouble.start(folder / "github", seed=seed, port=ports[0])),
                stack.enter_async_context(anthropic_double(port=ports[1])),
                rig.start(),
            )
            repository = (await github.state())["repositories"][REPOSITORY]
            yield Stage(folder, github, model, rig, tokens, Path(repository["path"]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _crew(folder: Path, provider: str) -> Path:
    """The packaged characters, with another provider."""
    from rig.embedded.crew import PACKAGED

    crew = folder / "characters"
    crew.mkdir()
    for file in next(place for place in PACKAGED if place.is_dir()).glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        (crew / file.name).write_text(text.replace(f"provider: {USUAL}\n", f"provider: {provider}\n"))
    return crew


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rig-demo-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # root's PostgreSQL runs under another account inside it
    return folder


async def _all(*starting: Awaitable[Any]) -> list[Any]:
    """Wait for all, so that whatever started is known to its exit stack, and only then fail."""
    results = await asyncio.gather(*starting, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _seed(tokens: dict[str, str], secret: str, rig_port: int) -> dict[str, Any]:
    repository = {
        "name": REPOSITORY,
        "directory": str(TEMPLATE),
        "description": "Time sheets on the command line",
        "permissions": {CONDUCTOR: "write", DEV: "write", REVIEW: "write", STRANGER: "read"},
        "labels": [LABEL],
    }
    hook = {"url": f"http://127.0.0.1:{rig_port}/webhooks/github", "secret": secret, "repository": REPOSITORY}
    identities = [{"token": token, "login": login} for login, token in tokens.items()]
    return {"identities": identities, "repositories": [repository], "hooks": [hook]}


def _environment(folder: Path, tokens: dict[str, str], secret: str, ports: list[int]) -> dict[str, str]:
    """What the demo's `rig up` sees: nothing of the account of whoever runs the demo."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {
        "RIG_CONFIG": str(folder / "rig.toml"),
        "RIG_DATA_DIR": str(folder / "rig"),
        "RIG_PORT": str(ports[2]),
        "RIG_PUBLIC_URL": f"http://127.0.0.1:{ports[2]}",
        "RIG_PARENT_PIPE": "1",
        "RIG_MAX_OPEN_ISSUES": "10",
        "RIG_REPOSITORIES": REPOSITORY,
        "RIG_WEBHOOK_SECRET": secret,
        "RIG_GITHUB_URL": f"http://127.0.0.1:{ports[0]}",
        "RIG_GITHUB_TOKEN": tokens[CONDUCTOR],
        "RIG_GITHUB_DEV_TOKEN": tokens[DEV],
        "RIG_GITHUB_REVIEW_TOKEN": tokens[REVIEW],
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{ports[1]}",
        "ANTHROPIC_API_KEY": "sk-ant-double",
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
