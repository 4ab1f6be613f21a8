"""Faults: what a client must live with."""

from __future__ import annotations

import time

import httpx2
import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, REPO

ISSUES = f"/repos/{REPO}/issues"


@pytest.fixture(autouse=True)
def unchecked(github: GitHubDouble) -> None:
    """Injected answers are not GitHub's own."""
    github.http.event_hooks["response"] = []


async def titles(github: GitHubDouble) -> list[str]:
    return [issue["title"] for issue in (await github.api("GET", ISSUES, ADA)).json()]


async def test_an_error_before_the_write_leaves_nothing(github: GitHubDouble) -> None:
    await github.fault("status", "*/issues", method="POST", status=503, count=2)
    codes = [(await github.api("POST", ISSUES, ADA, {"title": str(n)})).status_code for n in range(3)]
    assert codes == [503, 503, 201]
    assert await titles(github) == ["2"]


async def test_an_error_after_the_write_leaves_it_done(github: GitHubDouble) -> None:
    await github.fault("after", "*/issues", method="POST", status=502)
    assert (await github.api("POST", ISSUES, ADA, {"title": "Done"})).status_code == 502
    assert await titles(github) == ["Done"]


@pytest.mark.parametrize(("kind", "left"), [("cut", []), ("cut_after", ["Cut"])])
async def test_a_connection_is_cut_before_or_after_the_write(
    github: GitHubDouble, kind: str, left: list[str]
) -> None:
    await github.fault(kind, "*/issues", method="POST")
    with pytest.raises(httpx2.TransportError):
        await github.api("POST", ISSUES, ADA, {"title": "Cut"})
    assert await titles(github) == left


async def test_limits_say_when_to_come_back(github: GitHubDouble) -> None:
    await github.fault("rate_limit", seconds=30)
    first = await github.api("GET", ISSUES, ADA)
    assert (first.status_code, first.headers["x-ratelimit-remaining"]) == (403, "0")
    assert 0 < int(first.headers["x-ratelimit-reset"]) - time.time() <= 31
    await github.fault("secondary_limit", status=429, seconds=7)
    second = await github.api("GET", ISSUES, ADA)
    assert (second.status_code, second.headers["retry-after"]) == (429, "7")
    assert "secondary rate limit" in second.json()["message"]


async def test_a_slow_answer_is_late_but_right(github: GitHubDouble) -> None:
    await github.fault("slow", seconds=0.3)
    began = time.monotonic()
    assert (await github.api("GET", ISSUES, ADA)).status_code == 200
    assert time.monotonic() - began >= 0.3


async def test_a_fault_may_wait_for_its_turn_and_is_cleared(github: GitHubDouble) -> None:
    await github.fault("status", "*/issues", skip=1, count=5)
    assert [(await github.api("GET", ISSUES, ADA)).status_code for _ in range(2)] == [200, 500]
    assert (await github.admin("GET", "/faults"))["faults"][0]["hits"] == 1
    await github.clear_faults()
    assert (await github.api("GET", ISSUES, ADA)).status_code == 200


async def test_git_suffers_too(github: GitHubDouble) -> None:
    await github.fault("status", "*/info/refs", status=500)
    answer = await github.http.get(f"/{REPO}.git/info/refs?service=git-upload-pack")
    assert answer.status_code == 500


async def test_what_was_asked_is_on_record(github: GitHubDouble) -> None:
    await github.api("GET", f"{ISSUES}?state=all", ADA)
    last = (await github.requests())[-1]
    assert (last["method"], last["path"], last["query"], last["login"], last["status"]) == (
        "GET",
        f"/api/v3{ISSUES}",
        "state=all",
        "ada",
        200,
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"kind": "slow", "nonsense": 1}),
        ("POST", "/identities", {"login": "x"}),
        ("POST", "/repositories", {"name": REPO}),
        ("POST", "/hooks", {"url": "http://127.0.0.1:9"}),
        ("POST", f"/repositories/{REPO}/permissions", {"login": "x", "role": "king"}),
        ("POST", "/repositories/no/thing/protection", {}),
    ],
)
async def test_wrong_orders_are_refused(github: GitHubDouble, method: str, path: str, body: object) -> None:
    answer = await github.http.request(method, f"/_double{path}", json=body)
    assert answer.status_code in (404, 422)


async def test_what_the_double_does_not_answer_it_says_loudly(github: GitHubDouble) -> None:
    answer = await github.api("GET", f"/repos/{REPO}/stargazers", ADA)
    assert (answer.status_code, "does not answer" in answer.json()["message"]) == (501, True)
