"""The server by itself: over HTTP beside a conductor, and over stdio."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters

from rig.doubles.github.client import GitHubDouble
from servers.github.server import tools
from servers.kit.auth import SigningKey, Verifier, jwks_route
from servers.kit.client import tool_client
from servers.kit.errors import Fenced, Forbidden
from servers.kit.serve import Part, build_app
from servers.kit.tools import READ, Claim, Toolbox
from tests.github.conftest import TALLY
from tests.loopback import served

conductor = Toolbox("conductor", "Knows which claims hold.")
Environment = dict[str, str]


@conductor.tool(READ, {"service"})
async def check_claim(claim: Claim, agent: str, instance: str, boot: str) -> dict[str, Any]:
    """Say whether a claim holds."""
    valid = claim.fence == 2 and agent == "dev-e"
    return {"valid": valid, "reason": None if valid else "fenced: Somebody else holds it now."}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "key.pem")


@pytest.fixture
async def environment(double: GitHubDouble, key: SigningKey) -> AsyncGenerator[Environment]:
    """What the server needs, with a conductor that runs here."""
    part = Part(conductor, lambda: nullcontext(None), routes=[jwks_route(key)])
    async with served(build_app([part], Verifier.of(key), "http://127.0.0.1:7700")) as url:
        yield {
            "PATH": os.environ["PATH"],
            "RIG_CONDUCTOR_URL": url,
            "RIG_TOKEN": key.issue("github", "service", timedelta(hours=1)),
            "RIG_GITHUB_URL": double.url,
            "RIG_GITHUB_TOKEN": "conductor",
            "RIG_REPOSITORIES": TALLY,
        }


@asynccontextmanager
async def _alone(environment: Environment) -> AsyncGenerator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "servers.github", env=environment | {"RIG_PORT": str(port)}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(30), httpx2.AsyncClient() as http:
            while not await _healthy(http, url):  # noqa: ASYNC110 - another process becomes ready
                await asyncio.sleep(0.05)
        yield url
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _healthy(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


async def test_alone_it_takes_the_conductors_tokens_and_asks_it_about_claims(
    environment: Environment, key: SigningKey
) -> None:
    token = key.issue("dev-e", "dev", timedelta(hours=1))
    say = {"repository": TALLY, "number": 1, "body": "x", "key": "k"}
    async with _alone(environment) as url, tool_client(f"{url}/mcp/github", lambda: token) as dev:
        held = {"rig/claim": {"issue": f"{TALLY}#1", "fence": 2}, "rig/instance": "dev-e-1"}
        assert (await dev.call("comment_on_issue", say, held))["created"]
        lost = held | {"rig/claim": {"issue": f"{TALLY}#1", "fence": 1}}
        with pytest.raises(Fenced):
            await dev.call("comment_on_issue", say | {"key": "l"}, lost)
        with pytest.raises(Forbidden, match="claim_assignment"):
            await dev.call("comment_on_issue", say | {"key": "l"})


async def test_over_stdio_it_serves_the_person_who_started_it(environment: Environment) -> None:
    server = StdioServerParameters(command=sys.executable, args=["-m", "servers.github", "--stdio"], env=environment)
    async with Client(server) as client:
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == tools.names("person")
        result = await client.call_tool("get_issue", {"repository": TALLY, "number": 1})
        assert result.structured_content is not None
        assert result.structured_content["title"] == "Count faster"


async def test_a_wrong_setting_is_said_and_nothing_is_served(environment: Environment) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "servers.github",
        env=environment | {"RIG_GITHUB_URL": "nonsense"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"RIG_GITHUB_URL" in said


async def test_without_a_credential_it_says_how_to_get_one_and_serves_nothing(environment: Environment) -> None:
    environment.pop("RIG_GITHUB_TOKEN")
    code, said = await _refused(environment)
    assert code == 2
    assert "Set GITHUB_TOKEN to a fine-grained token" in said


async def test_the_token_may_have_the_name_that_everybody_uses(environment: Environment) -> None:
    environment["GITHUB_TOKEN"] = environment.pop("RIG_GITHUB_TOKEN")
    async with _alone(environment) as url:
        assert url


async def _refused(environment: Environment) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "servers.github"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()
