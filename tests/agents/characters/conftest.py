"""A house for one repository, with a scripted model in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from servers.kit.database import Pool
from tests.agents.characters.house import House, house, repository, scripted

DEPLOYED = "stack: python\ntestCommand: python3 checks.py\npolicy: {deployment: {staging: staging, smoke: ops-e}}\n"
JUDGES = {"readiness_judge": "judge-e", "rubric_judge": "judge-e"}


@pytest.fixture
async def home(
    tmp_path: Path, database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[House]:
    repositories = [repository(policy=DEPLOYED)]
    async with house(tmp_path, database_url, pool, repositories) as home, scripted(home) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        yield home


@pytest.fixture
async def judged(
    tmp_path: Path, database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[House]:
    """A house in which issues and merged work are judged."""
    repositories = [repository(policy=DEPLOYED)]
    async with house(tmp_path, database_url, pool, repositories, **JUDGES) as home, scripted(home) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        yield home


@pytest.fixture
async def street(
    tmp_path: Path, database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[House]:
    """A house with a repository of each stack, which has no CI."""
    names = ("node", "dotnet", "ios")
    repositories = [
        repository(f"ada/{name}", f"stack: {name}", **{".github/workflows/ci.yml": None}) for name in names
    ]
    async with house(tmp_path, database_url, pool, repositories) as home, scripted(home) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        yield home
