"""Servers as processes of their own, as in a cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters

from rig.demo.stage import free_ports
from servers.kit.auth import SigningKey
from servers.kit.client import tool_client
from tests.loopback import ready

CHARACTERS = Path(__file__).parents[2] / "characters"


@asynccontextmanager
async def served(server: str, **environment: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "rig", "serve", server),
        env={"PATH": os.environ["PATH"], "RIG_CONFIG": os.devnull, **environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) in (0, -15)


@pytest.mark.timeout(120)
async def test_conductor_and_github_server_check_tokens_by_the_keys_that_the_conductor_publishes(
    tmp_path: Path, empty_database_url: str
) -> None:
    ports = free_ports(2)
    conductor, github = (f"http://127.0.0.1:{port}" for port in ports)
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    hour = timedelta(hours=1)
    for_conductor = {
        "RIG_PORT": str(ports[0]),
        "RIG_DATABASE_URL": empty_database_url,
        "RIG_SIGNING_KEY": str(tmp_path / "key.pem"),
        "RIG_CHARACTERS": str(CHARACTERS),
        "RIG_GITHUB_SERVER_URL": f"{github}/mcp/github",
    }
    for_github = {
        "RIG_PORT": str(ports[1]),
        "RIG_CONDUCTOR_URL": conductor,
        "RIG_TOKEN": key.issue("github", "service", hour),
        "RIG_GITHUB_TOKEN": "ghp_x",
    }

    def person() -> str:
        return key.issue("ada", "person", hour)

    async with served("conductor", **for_conductor), served("github", **for_github):
        await asyncio.gather(ready(conductor), ready(github))
        async with (
            tool_client(f"{conductor}/mcp/conductor", person) as to_conductor,
            tool_client(f"{github}/mcp/github", person) as to_github,
            httpx2.AsyncClient(trust_env=False) as http,
        ):
            assert await to_conductor.call("list_issues") == {"result": []}
            assert "get_issue" in {tool.name for tool in await to_github.list_tools()}
            assert "agent-ready" in (await http.get(conductor)).text


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("server", "tool"), [("conductor", "list_issues"), ("memory", "list_recent")])
async def test_over_stdio_it_serves_the_person_who_started_it(
    tmp_path: Path, empty_database_url: str, server: str, tool: str
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "RIG_CONFIG": os.devnull,
        "RIG_DATABASE_URL": empty_database_url,
        "RIG_SIGNING_KEY": str(tmp_path / "key.pem"),
        "RIG_CHARACTERS": str(CHARACTERS),
    }
    command = ["-m", "rig", "serve", server, "--stdio"]
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=environment)) as client:
        assert not (await client.call_tool(tool, {})).is_error
