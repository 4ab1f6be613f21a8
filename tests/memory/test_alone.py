"""`rig serve memory` as a process of its own, and the commands of a person who looks into it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rig.demo.stage import free_ports
from servers.kit.auth import SigningKey, jwks_route
from servers.kit.client import tool_client
from servers.kit.database import Pool
from servers.memory.store import MemoryStore
from tests.loopback import ready, served
from tests.memory.conftest import TALLY, draft

RIG = [sys.executable, "-P", "-m", "rig"]
LESSON = "The lock is written by make lock, never by hand."


@asynccontextmanager
async def alone(folder: Path, environment: dict[str, str]) -> AsyncGenerator[None]:
    process = await asyncio.create_subprocess_exec(
        *RIG, "serve", "memory", cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) in (0, -15)


async def says(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    code, said, _ = await outcome(folder, environment, *arguments)
    assert code == 0
    return said


async def outcome(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[int | None, str, str]:
    """The exit code, and what stood on standard output and error."""
    process = await asyncio.create_subprocess_exec(
        *RIG, "memory", *arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, complaint = await process.communicate()
    return process.returncode, said.decode(), complaint.decode()


@pytest.mark.timeout(120)
async def test_it_serves_by_itself_and_its_memories_are_found_listed_and_given_vectors(
    tmp_path: Path, memory_url: str
) -> None:
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    (port,) = free_ports(1)
    url, token = f"http://127.0.0.1:{port}", key.issue("ada", "person", timedelta(hours=1))
    base = {"PATH": os.environ["PATH"], "RIG_CONFIG": os.devnull, "RIG_DATABASE_URL": memory_url, "COLUMNS": "200"}
    person = base | {"RIG_URL": url, "RIG_TOKEN": token}

    async with served(Starlette(routes=[jwks_route(key)])) as conductor:
        wordless = {"RIG_PORT": str(port), "RIG_CONDUCTOR_URL": conductor, "RIG_MEMORY_EMBEDDER": "none"}
        async with alone(tmp_path, base | wordless):
            await ready(url)
            async with tool_client(f"{url}/mcp/memory", lambda: token) as client:
                await client.call("write_memory", {"content": LESSON, "kind": "learning", "repo": TALLY})
            assert LESSON in await says(tmp_path, person, "search", "who writes the lock")
            [listed] = json.loads(await says(tmp_path, person, "list", "--repo", TALLY, "--json"))["memories"]
            assert listed["repo"] == TALLY
    told = json.loads(await says(tmp_path, base | {"RIG_MEMORY_EMBEDDER": "wordllama"}, "reembed", "--json"))
    assert told == {"moved": 1, "left": 0}


@pytest.mark.parametrize(("answers", "why"), [(503, "does not answer"), (400, "does not take what is left")])
async def test_moving_to_an_embedder_that_makes_no_vectors_fails_and_says_why(
    tmp_path: Path, memory_url: str, memory_pool: Pool, answers: int, why: str
) -> None:
    await MemoryStore(memory_pool).write(draft(LESSON))

    async def refuse(_: Request) -> Response:
        return Response(status_code=answers)

    async with served(Starlette(routes=[Route("/v1/embeddings", refuse, methods=["POST"])])) as url:
        endpoint = {"URL": f"{url}/v1/embeddings", "MODEL": "m", "DIMENSION": "3"}
        base = {"PATH": os.environ["PATH"], "RIG_CONFIG": os.devnull, "RIG_DATABASE_URL": memory_url}
        named = {f"RIG_MEMORY_EMBEDDER_{name}": value for name, value in endpoint.items()}
        code, said, complaint = await outcome(tmp_path, base | named, "reembed")
    assert (code, said) == (1, "0 memories have new vectors, 1 are left.\n")
    assert why in complaint
