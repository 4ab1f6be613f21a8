"""The demo's repository, as it is founded and with all ten issues implemented."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.model import DemoIssue
from tests.doubles.demo.office import Office, opening


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A repository as the demo finds it."""
    founded = Office(tmp_path / "office")
    founded.found()
    return founded


@pytest.fixture(scope="session")
def branched(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """All ten issues implemented at once, each on its branch from the same `main`; copy it before use."""
    founded = Office(tmp_path_factory.mktemp("branched") / "office")
    founded.found()

    async def implement(issue: DemoIssue) -> None:
        desk = founded.desk(issue)
        desk.commit(await desk.play(opening(issue, "implement")))

    async def everybody() -> None:
        for issue in ISSUES:
            await implement(issue)

    asyncio.run(everybody())
    return founded
