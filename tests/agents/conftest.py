"""A rig around one agent: GitHub's double and server, a conductor that notes what it is told, a scripted model."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

from agents.git import Credential
from agents.workspace import WorkingCopy
from rig.doubles.anthropic.app import create_app
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Turn, replay
from rig.doubles.github.client import GitHubDouble
from servers.github.server import part as github_part
from servers.github.settings import GitHubSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.serve import Part, build_app
from tests.agents.conductor import Conductor, tools
from tests.agents.stage import FILES, GIT_TOKEN, SEED, Local, Stage, repair


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    conductor, key = Conductor(), SigningKey.load_or_create(tmp_path / "key.pem")
    requests: list[MessagesRequest] = []
    plays: list[Callable[[], Play]] = [repair]

    def script(request: MessagesRequest) -> Turn:
        requests.append(request)
        return replay(request, plays[0]())

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Conductor]:
        yield conductor

    async with AsyncExitStack() as stack:
        github = await stack.enter_async_context(GitHubDouble.here(tmp_path / "github", seed=SEED))
        known = GitHubSettings.load(
            github_url=github.url, github_token="ghp_conductor", github_dev_token=GIT_TOKEN,
            github_review_token="ghp_review",
        )  # fmt: skip
        parts = [Part(tools, opened), github_part(known, conductor)]
        url = await stack.enter_async_context(_served(lambda url: build_app(parts, Verifier.of(key), url)))
        model_url = await stack.enter_async_context(_served(lambda _: create_app(script)))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model_url)
        yield Stage(github, conductor, key, url, model_url, tmp_path, requests, plays)


@asynccontextmanager
async def _served(make: Callable[[str], ASGIApp]) -> AsyncGenerator[str]:
    with _free_socket() as (listening, url):
        config = uvicorn.Config(make(url), log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn says so in no other way
                await asyncio.sleep(0.01)
        yield url
        server.should_exit = True
        await serving


@contextmanager
def _free_socket() -> Generator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A bare repository with one commit."""
    made, remote = tmp_path / "made", tmp_path / "remote.git"
    for path, content in FILES.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(content)
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for arguments in (("init", "-qb", "main"), ("add", "."), (*who, "commit", "-qm", "feat: begin")):
        subprocess.run(["git", *arguments], cwd=made, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(made), str(remote)], check=True)
    return remote


@pytest.fixture
async def local(tmp_path: Path, made: Path) -> Local:
    (tmp_path / "run" / "tree").mkdir(parents=True)
    local = Local(WorkingCopy(tmp_path / "clone.git", tmp_path / "run"), Credential(made.as_uri()), made)
    await local.copy.fetch(local.credential)
    local.base = await local.copy.remote("main") or ""
    await local.copy.check_out(local.base)
    return local
