"""The conductor lives as a whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from conductor.app import open_desk, part_of
from conductor.settings import ConductorSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.database import Pool
from servers.kit.serve import build_app, serve_http
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> ConductorSettings:
    SigningKey.load_or_create(tmp_path / "key.pem")
    (tmp_path / "characters").mkdir()
    folders = {"signing_key": tmp_path / "key.pem", "characters": tmp_path / "characters"}
    return ConductorSettings.load(database_url=database_url, repositories=[REPOSITORY], **folders)


async def test_a_loop_that_dies_ends_the_process_with_its_reason(
    settings: ConductorSettings, pool: Pool, tmp_path: Path
) -> None:
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    mounted = part_of(lambda: open_desk(settings, MemoryGitHub()))
    app = build_app([mounted], Verifier.of(key), "http://127.0.0.1:7700")
    serving = asyncio.create_task(serve_http(app, "127.0.0.1", 0, grace_seconds=1))
    async with asyncio.timeout(20):
        while not hasattr(app.state, "conductor"):  # noqa: ASYNC110 - the app says so in no other way
            await asyncio.sleep(0.01)
        await pool.execute("ALTER TABLE claims RENAME TO gone")
        with pytest.raises(BaseExceptionGroup) as died:
            await serving
    assert died.group_contains(Exception, match="claims")


async def test_what_is_opened_is_closed_again(settings: ConductorSettings) -> None:
    async with open_desk(settings, MemoryGitHub()) as desk:
        assert desk.key
        assert await desk.store.read_after(0) == []
    assert desk.pool.is_closing()
