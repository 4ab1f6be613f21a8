"""The double as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import httpx2
import pytest

from rig.doubles.anthropic.process import running


async def test_it_is_gone_after_the_block() -> None:
    async with running("tests.doubles.anthropic.scripts:words") as double:
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{double.url}/_double/health")).json()["status"] == "ok"
        assert double.environment["ANTHROPIC_BASE_URL"] == double.url
    async with httpx2.AsyncClient() as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(f"{double.url}/_double/health")


async def test_it_leaves_when_its_parent_is_gone() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rig.doubles.anthropic", "--with-parent"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert json.loads(await process.stdout.readline())["url"].startswith("http://127.0.0.1:")
        process.stdin.close()
        assert await process.wait() == 0


async def test_a_script_that_does_not_exist_is_an_error_at_once() -> None:
    with pytest.raises(RuntimeError, match="before it answered"):
        async with running("tests.doubles.anthropic.scripts:nothing"):
            pass
