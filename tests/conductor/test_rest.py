"""The doors for curl and hooks say the same as the tools."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from servers.kit.auth import Role
from tests.conductor.conftest import Claimable
from tests.conductor.samples import HEAD
from tests.conductor.serving import Rig

NEXT = "/api/assignments/next"


async def get(rig: Rig, path: str, role: Any = "dev", **headers: str) -> httpx2.Response:
    return await rig.http.get(path, headers=rig.bearer(role) | headers)


async def post(rig: Rig, body: Any, role: Any = "dev", **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await rig.http.post("/api/events", content=content, headers=rig.bearer(role) | headers)


async def test_work_is_taken_reported_and_looked_at(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    taken = await get(rig, f"{NEXT}?waitSeconds=0&agentId=dev-e")
    claim = taken.json()["claim"]
    assert (taken.status_code, claim["issue"]) == (200, issue)
    told = await post(rig, {"type": "WORK_STARTED", "claim": claim})
    assert (told.status_code, told.json()) == (200, {"state": "in_progress", "recorded": True})
    [listed] = (await get(rig, "/api/issues?repo=ACME/tally&state=in_progress")).json()
    assert listed["issue"] == issue
    detail = (await get(rig, "/api/issues/acme/tally/1")).json()
    assert [event["type"] for event in detail["timeline"]][-1] == "WORK_STARTED"
    events = (await get(rig, "/api/events?after=1&limit=1")).json()
    assert [event["type"] for event in events] == ["ISSUE_ASSIGNED"]
    assert (await get(rig, "/api/agents")).json() == []
    assert (await get(rig, "/api/costs/summary?days=1")).json() == []


async def test_no_work_is_204(rig: Rig) -> None:
    for path, role in ((NEXT, "dev"), ("/api/reviews/next", "review")):
        answer = await get(rig, path, role)
        assert (answer.status_code, answer.content) == (204, b"")


async def test_a_repeated_post_with_one_key_is_one_event(rig: Rig) -> None:
    usage = {"type": "TOKEN_USAGE", "data": {"run": "r", "model": "m", "usd": 1}}
    for _ in range(3):
        await post(rig, usage, **{"idempotency-key": "k"})
    assert (await get(rig, "/api/costs/summary")).json()[0]["usd"] == 1


async def test_nobody_comes_in_without_a_token(rig: Rig) -> None:
    for path in (NEXT, "/api/issues", "/api/events", "/api/agents", "/api/issues/acme/tally/1"):
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
            answer = await rig.http.get(path, headers=headers)
            assert answer.status_code == 401, (path, headers)
    assert (await rig.http.post("/api/events", json={})).status_code == 401


async def test_a_refusal_has_the_status_of_its_error(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    claim = {"issue": "acme/tally#1", "fence": 1}
    for answer, status, code in (
        (await get(rig, f"{NEXT}?agentId=somebody-else"), 403, "forbidden"),
        (await get(rig, f"{NEXT}?waitSeconds=NaN"), 422, "invalid_input"),
        (await get(rig, f"{NEXT}?waitSeconds=many"), 422, "invalid_input"),
        (await get(rig, NEXT, "service"), 403, "forbidden"),
        (await get(rig, "/api/issues/acme/none/1"), 404, "not_found"),
        (await get(rig, "/api/issues?limit=0"), 422, "invalid_input"),
        (await get(rig, "/api/events?after=-1"), 422, "invalid_input"),
        (await post(rig, {"type": "WORK_STARTED", "claim": claim}), 409, "fenced"),
        (await post(rig, {"type": "DONE", "claim": claim}), 422, "invalid_input"),
        (await post(rig, {}), 422, "invalid_input"),
        (await post(rig, b"{"), 422, "invalid_input"),
        (await post(rig, b"[]"), 422, "invalid_input"),
        (await post(rig, b'{"a":"\xff"}'), 422, "invalid_input"),
        (await post(rig, b'{"a":' * 50_000), 422, "invalid_input"),
        (await post(rig, b" " * 1_000_001), 413, "too_large"),
        (await post(rig, {"type": "PR_CREATED", "claim": claim, "data": {"head_sha": HEAD}}), 422, "invalid_input"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        assert answer.json()["message"]


async def test_other_methods_and_paths_are_not_served(rig: Rig) -> None:
    headers = rig.bearer("person")
    assert (await rig.http.delete("/api/issues", headers=headers)).status_code == 405
    assert (await rig.http.get("/webhooks/github", headers=headers)).status_code == 405
    assert (await rig.http.get("/api/issues/acme/tally/one", headers=headers)).status_code == 422


async def test_the_originals_flat_reports_are_taken_and_their_agent_must_be_the_tokens(rig: Rig) -> None:
    flat = {
        "eventType": "TOKEN_USAGE",
        "agentId": "dev-e",
        "run": "r",
        "model": "m",
        "usd": 2,
        "issue": "acme/tally#1",
    }
    assert (await post(rig, flat)).status_code == 200
    assert (await post(rig, flat | {"agentId": "review-e"})).status_code == 403
    [cost] = (await get(rig, "/api/usage")).json()
    assert (cost["agent"], cost["repository"], cost["usd"]) == ("dev-e", "acme/tally", 2)
    [by_issue] = (await get(rig, "/api/costs/summary?by=issue")).json()
    assert by_issue["issue"] == "acme/tally#1"


async def test_what_agents_say_is_kept_and_found_by_issue_agent_and_run(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    claim = (await get(rig, NEXT)).json()["claim"]
    said = json.dumps({"claim": claim, "run": "r1", "lines": ["cloning", "done \u0000"]})
    sent = await rig.http.post("/api/execution-logs", content=said, headers=rig.bearer("dev"))
    assert sent.status_code == 200
    path = "/api/logs"
    for found in (f"issue={issue.replace('#', '%23').upper()}", "agent=dev-e", "run=r1", "after=0&limit=2"):
        lines = (await get(rig, f"{path}?{found}")).json()
        assert [line["text"][:7] for line in lines] == ["cloning", "done ?"], found
    assert (await get(rig, f"{path}?after={lines[0]['id']}&run=r1")).json() == lines[1:]
    assert (await get(rig, f"{path}?run=r2")).json() == []


async def test_a_merge_is_asked_for_by_people_only(rig: Rig, claimable: Claimable) -> None:
    body = json.dumps({"issue": await claimable()})
    roles: dict[Role, int] = {"person": 200, "ops": 200, "dev": 403, "review": 403}
    for role, status in roles.items():
        answer = await rig.http.post("/api/merge", content=body, headers=rig.bearer(role))
        assert answer.status_code == status, role


async def test_a_query_that_says_a_thing_twice_or_null_is_refused(rig: Rig) -> None:
    for query in ("limit=1&limit=2", "issue=null"):
        assert (await get(rig, f"/api/logs?{query}")).status_code == 422
