"""An agent as a process, with everything around it: GitHub's double, our servers, a scripted model."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.doubles.anthropic.app import create_app
from rig.doubles.github.client import GitHubDouble
from servers.github.server import part as github_part
from servers.github.settings import GitHubSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.serve import Part, build_app
from tests.agents.conductor import Conductor, tools
from tests.agents.memories import Memories
from tests.agents.memories import part as memory_part
from tests.agents.stage import GIT_TOKEN, SEED, Model, Stage, served
from tests.agents.warm import warmed


@asynccontextmanager
async def around_agent() -> AsyncGenerator[Stage]:
    """All of it on loopback, in this process and a folder of its own, for as long as the block lasts."""
    conductor, model = Conductor(), Model("")

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Conductor]:
        yield conductor

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rig-bench-")))
        key = SigningKey.load_or_create(folder / "key.pem")
        model.url = await stack.enter_async_context(served(lambda _: create_app(model.answer)))
        github = await stack.enter_async_context(GitHubDouble.here(folder / "github", seed=SEED))
        known = GitHubSettings.load(
            github_url=github.url,
            github_token="ghp_conductor",
            github_dev_token=GIT_TOKEN,
            github_review_token="ghp_review",
        )
        memories, warm = Memories(), stack.enter_context(warmed())
        parts = [Part(tools, opened), github_part(known, conductor), memory_part(memories)]
        url = await stack.enter_async_context(served(lambda url: build_app(parts, Verifier.of(key), url)))
        yield Stage(github, conductor, key, url, model, folder, warm, memories)


def files_in(*folders: Path) -> int:
    """How many files and folders there are below `folders`; what vanishes meanwhile does not count."""
    return sum(len(names) + len(files) for folder in folders for _, names, files in os.walk(folder))
