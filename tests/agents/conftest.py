"""A rig around one agent: GitHub's double and server, a conductor that notes what it is told, a scripted model."""

from __future__ import annotations

import gc
import importlib
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from agents.git import Credential
from agents.workspace import WorkingCopy
from rig.doubles.anthropic.app import create_app
from rig.doubles.github.client import GitHubDouble
from servers.github.server import part as github_part
from servers.github.settings import GitHubSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.serve import Part, build_app
from tests.agents.conductor import Conductor, tools
from tests.agents.memories import Memories
from tests.agents.memories import part as memory_part
from tests.agents.stage import FILES, GIT_TOKEN, SEED, Local, Model, Stage, repair, served
from tests.agents.warm import Warm, warmed


@pytest.fixture(scope="session")
def warm() -> Generator[Warm]:
    """Agents and workspace servers that start at once."""
    importlib.import_module("anthropic")
    gc.collect()
    gc.freeze()  # each agent that ends in this process looks for garbage
    with warmed() as source:
        yield source


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Model]:
    model = Model("")
    async with served(lambda _: create_app(model.answer)) as model.url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        yield model


@pytest.fixture
async def stage(tmp_path: Path, model: Model, warm: Warm) -> AsyncGenerator[Stage]:
    conductor, key = Conductor(), SigningKey.load_or_create(tmp_path / "key.pem")
    model.plays[:] = [repair]

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Conductor]:
        yield conductor

    async with AsyncExitStack() as stack:
        github = await stack.enter_async_context(GitHubDouble.here(tmp_path / "github", seed=SEED))
        known = GitHubSettings.load(
            github_url=github.url, github_token="ghp_conductor", github_dev_token=GIT_TOKEN,
            github_review_token="ghp_review",
        )  # fmt: skip
        memories = Memories()
        parts = [Part(tools, opened), github_part(known, conductor), memory_part(memories)]
        url = await stack.enter_async_context(served(lambda url: build_app(parts, Verifier.of(key), url)))
        yield Stage(github, conductor, key, url, model, tmp_path, warm, memories)


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
