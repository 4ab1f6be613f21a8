"""What happens when GitHub fails: reads are repeated, writes happen once, and the caller hears why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from servers.kit.errors import Conflict, RateLimited, Unavailable
from tests.github.conftest import TALLY, Open, Rig

SAY = {"repository": TALLY, "number": 1, "body": "Started.", "key": "start-1"}
COMMENTS = f"/api/v3/repos/{TALLY}/issues/1/comments"
OPEN = {"repository": TALLY, "head": "feature/one", "base": "main", "title": "feat: one", "body": "Closes #1"}


async def _comments(rig: Rig) -> int:
    return len((await rig.double.state())["repositories"][TALLY]["issues"]["1"]["comments"])


async def _pulls(rig: Rig) -> int:
    return len((await rig.double.state())["repositories"][TALLY]["pulls"])


@pytest.mark.parametrize("kind", ["status", "cut"])
async def test_a_read_is_repeated_until_github_answers(rig: Rig, kind: str) -> None:
    await rig.double.fault(kind, f"/api/v3/repos/{TALLY}/issues/1", count=1)
    assert (await (await rig.service()).call("get_issue", repository=TALLY, number=1))["number"] == 1


@pytest.mark.parametrize("kind", ["status", "cut"])
async def test_a_graphql_read_is_repeated(rig: Rig, kind: str) -> None:
    pull = await rig.pull()
    await rig.double.fault(kind, "/api/graphql", count=2, status=502)
    service = await rig.service()
    seen = await service.call("get_pull_request_snapshot", repository=TALLY, number=pull["number"])
    assert seen["number"] == pull["number"]


async def test_a_github_that_stays_down_is_unavailable(rig: Rig) -> None:
    await rig.double.fault("status", "/api/*", count=1000, status=503)
    service = await rig.service()
    with pytest.raises(Unavailable, match="503"):
        await service.call("get_issue", repository=TALLY, number=1)
    with pytest.raises(Unavailable):
        await service.call("get_pull_request_snapshot", repository=TALLY, number=1)


async def test_a_github_that_is_not_there_is_unavailable(open_rig: Open) -> None:
    async with open_rig(github_url="http://127.0.0.1:9") as rig:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await (await rig.service()).call("get_issue", repository=TALLY, number=1)


async def test_a_slow_github_is_given_up(open_rig: Open) -> None:
    async with open_rig(github_timeout_seconds=1) as rig:
        service = await rig.service()
        await service.call("comment_on_issue", **SAY)
        await rig.double.fault("slow", count=1000, seconds=5)
        with pytest.raises(Unavailable):
            await service.call("comment_on_issue", **(SAY | {"key": "start-2"}))


@pytest.mark.parametrize("kind", ["after", "cut_after"])
async def test_a_comment_that_arrived_before_github_failed_counts(rig: Rig, kind: str) -> None:
    await rig.double.fault(kind, COMMENTS, method="POST", status=502)
    service = await rig.service()
    first = await service.call("comment_on_issue", **SAY)
    again = await service.call("comment_on_issue", **SAY)
    assert first["id"] == again["id"]
    assert await _comments(rig) == 1


async def test_a_comment_that_did_not_arrive_is_written_when_asked_again(rig: Rig) -> None:
    await rig.double.fault("status", COMMENTS, method="POST", status=502)
    service = await rig.service()
    with pytest.raises(Unavailable):
        await service.call("comment_on_issue", **SAY)
    assert await _comments(rig) == 0
    assert (await service.call("comment_on_issue", **SAY))["created"]


async def test_nothing_doubles_when_github_fails_after_the_write_and_while_looking(rig: Rig) -> None:
    service = await rig.service()
    await service.call("comment_on_issue", **(SAY | {"key": "warm-up"}))
    await rig.double.fault("after", COMMENTS, method="POST", status=502)
    await rig.double.fault("status", COMMENTS, method="GET", status=500, count=4, skip=1)
    with pytest.raises(Unavailable):
        await service.call("comment_on_issue", **SAY)
    await rig.double.clear_faults()
    assert not (await service.call("comment_on_issue", **SAY))["created"]
    assert await _comments(rig) == 2


async def test_a_pull_request_that_was_opened_before_github_failed_counts(rig: Rig) -> None:
    await rig.double.push_files(TALLY, "feature/one", {"one.txt": "1\n"}, login="rig-dev[bot]")
    await rig.double.fault("after", f"/api/v3/repos/{TALLY}/pulls", method="POST", status=502)
    dev = await rig.dev()
    first = await dev.call("open_pull_request", **OPEN)
    assert (await dev.call("open_pull_request", **OPEN))["number"] == first["number"]
    assert await _pulls(rig) == 1


async def test_a_merge_that_happened_before_github_failed_counts(rig: Rig) -> None:
    pull = await rig.pull()
    path = f"/api/v3/repos/{TALLY}/pulls/{pull['number']}/merge"
    await rig.double.fault("after", path, method="PUT", status=502)
    service = await rig.service()
    merge = {"number": pull["number"], "head_sha": pull["head_sha"], "title": "feat: one", "message": ""}
    first = await service.call("merge_pull_request", repository=TALLY, **merge)
    assert first["merged"]
    assert await service.call("merge_pull_request", repository=TALLY, **merge) == first


async def test_a_review_that_arrived_before_github_failed_counts(rig: Rig) -> None:
    pull = await rig.pull()
    path = f"/api/v3/repos/{TALLY}/pulls/{pull['number']}/reviews"
    await rig.double.fault("after", path, method="POST", status=502)
    review = {"head_sha": pull["head_sha"], "verdict": "approve", "body": "Fine.", "key": "review-1"}
    answer = await (await rig.service()).call("post_review", repository=TALLY, number=pull["number"], **review)
    assert answer["posted_as"] == "approve"
    posted = (await rig.double.state())["repositories"][TALLY]["pulls"][str(pull["number"])]["reviews"]
    assert len(posted) == 1


async def test_calls_at_the_same_time_under_one_key_write_once(rig: Rig) -> None:
    service = await rig.service()
    answers = await asyncio.gather(*(service.call("comment_on_issue", **SAY) for _ in range(12)))
    assert len({answer["id"] for answer in answers}) == 1
    assert [answer["created"] for answer in answers].count(True) == 1
    assert await _comments(rig) == 1


async def test_many_slow_reads_run_beside_each_other(rig: Rig) -> None:
    service = await rig.service()
    await service.call("get_issue", repository=TALLY, number=1)
    await rig.double.fault("slow", f"/api/v3/repos/{TALLY}/issues/1", count=16, seconds=0.5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    reads = [service.call("get_issue", repository=TALLY, number=1) for _ in range(16)]
    await asyncio.gather(*reads)
    assert loop.time() - began < 16 * 0.5


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("rate_limit", {"seconds": 90}),
        ("rate_limit", {"seconds": 90, "status": 429}),
        ("secondary_limit", {"seconds": 90, "status": 403}),
        ("secondary_limit", {"seconds": 90, "status": 429}),
    ],
)
async def test_a_rate_limit_is_told_at_once_with_its_end(rig: Rig, kind: str, more: dict[str, Any]) -> None:
    service = await rig.service()
    await rig.double.fault(kind, count=1000, **more)
    async with asyncio.timeout(30):
        with pytest.raises(RateLimited, match=r"Try again in ([5-8]\d|90) s"):
            await service.call("get_issue", repository=TALLY, number=1)
        with pytest.raises(RateLimited):
            await service.call("comment_on_issue", **SAY)


async def test_a_conflict_met_while_merging_is_no_failure_of_github(rig: Rig) -> None:
    pull = await rig.pull()
    path = f"/api/v3/repos/{TALLY}/pulls/{pull['number']}/merge"
    await rig.double.fault("status", path, method="PUT", status=409)
    merge = {"number": pull["number"], "head_sha": pull["head_sha"], "title": "feat: one", "message": ""}
    with pytest.raises(Conflict):
        await (await rig.service()).call("merge_pull_request", repository=TALLY, **merge)
