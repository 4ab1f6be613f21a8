from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from conductor.logbook import LINES, LogData, SaidLine, write
from servers.kit.auth import SigningKey


async def test_the_page_and_its_files_are_served_under_a_strict_policy(site: Any) -> None:
    for path in ("/", "/parts/issues", "/static/page.css", "/static/page.js", "/static/icon.svg"):
        answer = await site.http.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
    assert (await site.http.get("/static/page.html")).status_code == 404
    assert (await site.http.get("/static/..%2fapp.py")).status_code == 404


async def test_an_event_reaches_an_open_stream_with_its_position(site: Any, events_of: Any) -> None:
    async with site.http.stream("GET", "/events/stream") as answer:
        reading = asyncio.create_task(events_of(answer, 1))
        await site.record(scope="all", by="ada")
        number, data = await reading
        assert number == "id: 1"
        event = json.loads(data.removeprefix("data: "))
        assert (event["type"], event["position"], event["actor"]) == ("RIG_PAUSED", 1, "ada")


async def test_a_stream_resumes_behind_the_last_event_that_was_seen(site: Any, events_of: Any) -> None:
    for _ in range(4):
        await site.record()
    headers = {"Last-Event-ID": "2"}
    async with site.http.stream("GET", "/events/stream?after=0", headers=headers) as answer:
        assert (await events_of(answer, 2))[::2] == ["id: 3", "id: 4"]
    async with site.http.stream("GET", "/events/stream?after=3") as answer:
        assert (await events_of(answer, 1))[0] == "id: 4"


async def test_every_follower_sees_every_event_once_and_in_order(site: Any, events_of: Any) -> None:
    async def follow() -> list[str]:
        async with site.http.stream("GET", "/events/stream?after=0") as answer:
            return (await events_of(answer, 300))[::2]

    followers = [asyncio.create_task(follow()) for _ in range(4)]
    for _ in range(300):
        await site.record()
    assert await asyncio.gather(*followers) == [[f"id: {n}" for n in range(1, 301)]] * 4


async def test_what_an_agent_says_reaches_an_open_page(site: Any, events_of: Any) -> None:
    async with site.http.stream("GET", "/log/stream") as answer:
        reading = asyncio.create_task(events_of(answer, 2))
        said = LogData(run="r", lines=["It works.", SaidLine(text="checking", step=True)])
        await write(site.pool, "dev-e", "ada/tally#12", said)
        await site.wake.publish(LINES)
        lines = [json.loads(data.removeprefix("data: ")) for data in (await reading)[1::2]]
        assert [(line["text"], line["step"], line["issue"]) for line in lines] == [
            ("It works.", False, "ada/tally#12"),
            ("checking", True, "ada/tally#12"),
        ]
    assert "It works." in (await site.http.get("/")).text


async def test_a_log_that_many_write_at_once_loses_no_line_for_whoever_follows(site: Any, events_of: Any) -> None:
    async with site.http.stream("GET", "/log/stream?after=0") as answer:
        reading = asyncio.create_task(events_of(answer, 200))

        async def say(agent: int) -> None:
            for number in range(20):
                await write(site.pool, f"dev-{agent}", "", LogData(lines=[str(number)]))
                await site.wake.publish(LINES)

        await asyncio.gather(*map(say, range(10)))
        found = [json.loads(data.removeprefix("data: ")) for data in (await reading)[1::2]]
    for agent in range(10):
        assert [line["text"] for line in found if line["agent"] == f"dev-{agent}"] == [str(n) for n in range(20)]


async def test_an_issue_that_nobody_knows_has_no_runs(site: Any) -> None:
    answer = await site.http.get("/parts/runs/ada/tally/12")
    assert (answer.status_code, "Nobody has worked on it yet." in answer.text) == (200, True)
    assert (await site.http.get("/parts/runs/ada/tally/x")).status_code == 404


@pytest.mark.parametrize("position", ["x", "-1", "1.5", "9" * 30, "١"])
async def test_a_position_that_is_no_number_is_refused_in_words(site: Any, position: str) -> None:
    answer = await site.http.get("/events/stream", params={"after": position})
    assert answer.status_code == 422
    assert "is not a position" in answer.text


async def test_there_is_a_limit_to_open_streams(serve: Any) -> None:
    async with (
        serve(most_streams=1) as site,
        site.http.stream("GET", "/events/stream?after=0") as answer,
        httpx2.AsyncClient(base_url=site.url, trust_env=False) as other,
    ):
        await site.record()
        await anext(answer.aiter_lines())
        assert (await other.get("/events/stream")).status_code == 503


async def test_a_page_of_another_name_cannot_read_this_machines_pages(site: Any) -> None:
    answer = await site.http.get("/", headers={"Host": "rebound.example"})
    assert answer.status_code == 403


async def test_elsewhere_a_token_is_needed(serve: Any, key: SigningKey) -> None:
    async with serve(is_open=False) as site:
        for path in ("/", "/parts/issues", "/events/stream"):
            assert (await site.http.get(path)).status_code == 401
        token = key.issue("ada", "person", timedelta(hours=1))
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await site.http.get("/", headers=bearer)).status_code == 200
        stale = key.issue("ada", "person", timedelta(hours=-1))
        assert (await site.http.get("/", headers={"Authorization": f"Bearer {stale}"})).status_code == 401


async def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(serve: Any, key: SigningKey) -> None:
    async with serve(is_open=False) as site:
        token = key.issue("ada", "person", timedelta(hours=1))
        answer = await site.http.get("/", params={"token": token})
        assert answer.status_code == 303
        assert token not in answer.headers["location"]
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await site.http.get("/")).status_code == 200
        assert (await site.http.get("/", params={"token": "forged"})).status_code == 401


async def test_the_server_stops_at_once_although_streams_are_open(serve: Any) -> None:
    async with serve() as site, site.http.stream("GET", "/events/stream?after=0") as answer:
        site.dashboard.close()
        async with asyncio.timeout(2):
            assert [line async for line in answer.aiter_lines()] == []
