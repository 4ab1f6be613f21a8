from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from agents import status
from agents.run import run_agent
from agents.standing import Standing
from rig.doubles.anthropic.script import Play, say, use
from servers.kit.character import Character
from tests.agents.stage import Stage, free_socket
from tests.fixtures_waiting import Eventually

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def standing() -> Standing:
    return Standing(
        Character.model_validate(
            {
                "name": "dev-e",
                "title": f"Dev-E {EVIL}",
                "role": "dev",
                "personality": "x",
                "git": {"name": "x", "email": "x@y"},
            }
        ),
        "dev-e-1",
    )


@pytest.fixture
async def http(standing: Standing) -> AsyncGenerator[httpx2.AsyncClient]:
    port = free_port()
    async with (
        status.serving(standing, "127.0.0.1", port) as bound,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{bound}", trust_env=False) as client,
    ):
        assert bound == port
        yield client


def free_port() -> int:
    with free_socket() as (listening, _):
        return listening.getsockname()[1]


async def test_the_page_says_who_it_is_and_what_it_waits_for(standing: Standing, http: httpx2.AsyncClient) -> None:
    standing.wait(["anthropic is at its usage limit until 14:30 UTC."])
    shown = await http.get("/")
    assert shown.status_code == 200
    assert EVIL not in shown.text
    assert "Dev-E &lt;script&gt;" in shown.text
    assert "anthropic is at its usage limit until 14:30 UTC." in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    told = (await http.get("/status.json?x=1")).json()
    assert (told["state"], told["run"], told["providers"]) == ("paused", None, ["anthropic"])
    health = await http.get("/healthz")
    assert (health.status_code, health.json()) == (200, {"status": "ok", "state": "paused"})


async def test_what_is_not_asked_as_it_should_be_is_refused(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/secrets")).status_code == 404
    assert (await http.post("/", content=b"x")).status_code == 405
    assert (await http.head("/")).status_code == 200
    rebound = await http.get("/", headers={"Host": "evil.example"})
    assert (rebound.status_code, "RIG_STATUS_HOST" in rebound.text) == (403, True)


@pytest.mark.parametrize("sent", [b"\x00\xff nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * 40_000, b""])
async def test_nonsense_is_hung_up_on_and_the_next_one_is_answered(http: httpx2.AsyncClient, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(5):
        assert b"200 OK" not in await reader.read()
    writer.close()
    assert (await http.get("/healthz")).status_code == 200


async def test_a_port_that_is_taken_keeps_nobody_from_work(standing: Standing) -> None:
    with free_socket() as (listening, _):
        async with status.serving(standing, "127.0.0.1", listening.getsockname()[1]) as port:
            assert port == 0
    async with status.serving(standing, "127.0.0.1", 0) as port:
        assert port == 0


async def test_an_agent_shows_its_claim_step_spending_and_last_lines_while_it_works(
    stage: Stage, eventually: Eventually
) -> None:
    seen: list[dict[str, Any]] = []
    port, going_on = free_port(), asyncio.Event()

    async def look() -> bool:
        async with httpx2.AsyncClient(trust_env=False) as http:
            seen.append((await http.get(f"http://127.0.0.1:{port}/status.json")).json())
            assert "0190-run" not in (await http.get(f"http://127.0.0.1:{port}/")).text
        run = seen[-1]["run"]
        return bool(run and run["turns"] == 1)

    def play() -> Play:
        yield say("I will look.", use("mcp__workspace__read_file", path="app.py"))
        while not going_on.is_set():
            yield say("I look again.", use("mcp__workspace__list_files"))
        yield say("Done.", use("give_up", reason="No.", error_class="no"))

    stage.script(play)
    stage.offer()
    running = asyncio.create_task(
        run_agent(stage.character(turns=1000), stage.settings(status_port=port), asyncio.Event())
    )
    await eventually(lambda: stage.conductor.said("TOKEN_USAGE"))
    await look()
    going_on.set()
    assert await running == 0
    run = seen[-1]["run"]
    assert (run["issue"], run["kind"], run["turns_budget"]) == ("ada/tally#12", "implement", 1000)
    assert run["step"].startswith("working")
    assert run["turns"] >= 1
    assert 0 < run["spent_usd"] < run["budget_usd"]
    assert "I will look." in [line["text"] for line in run["log"]]
    assert "sk-ant" not in json.dumps(seen)


async def test_whoever_leaves_says_why(stage: Stage) -> None:
    assert await stage.run() == 0
    last = [said["step"] for said in stage.conductor.said("heartbeat")][-1]
    assert last == "left: there was no work for 0.1 seconds"
