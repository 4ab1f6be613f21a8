"""Reviews through the server: posted once, under the right name, with nothing lost."""

from __future__ import annotations

from typing import Any

import pytest

from servers.kit.errors import InvalidInput, NotFound
from tests.github.conftest import OTHER, TALLY, Open, Rig


def _review(pull: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "repository": TALLY,
        "number": pull["number"],
        "head_sha": pull["head_sha"],
        "verdict": "approve",
        "body": "Well done.",
        "key": "review-1",
    } | more


async def _reviews(rig: Rig, number: int) -> list[dict[str, Any]]:
    return (await rig.double.api("GET", f"/repos/{TALLY}/pulls/{number}/reviews", "ada")).json()


async def _comments(rig: Rig, number: int) -> list[dict[str, Any]]:
    return (await rig.double.api("GET", f"/repos/{TALLY}/pulls/{number}/comments", "ada")).json()


async def test_a_server_posts_a_review_under_the_reviewers_name_once(rig: Rig) -> None:
    pull = await rig.pull()
    service = await rig.service()
    first = await service.call("post_review", **_review(pull))
    again = await service.call("post_review", **_review(pull))
    assert (first["posted_as"], first["folded"], first["created"]) == ("approve", 0, True)
    assert (again["id"], again["posted_as"], again["created"]) == (first["id"], "approve", False)
    [posted] = await _reviews(rig, pull["number"])
    assert (posted["user"]["login"], posted["state"]) == ("rig-review[bot]", "APPROVED")
    assert posted["commit_id"] == pull["head_sha"]


async def test_line_comments_go_to_their_lines(rig: Rig) -> None:
    pull = await rig.pull()
    comments = [{"path": "app.py", "line": 3, "body": "Why 33?"}]
    review = _review(pull, verdict="request_changes", comments=comments)
    answer = await (await rig.reviewer()).call("post_review", **review)
    assert (answer["posted_as"], answer["folded"]) == ("request_changes", 0)
    [said] = await _comments(rig, pull["number"])
    assert (said["path"], said["line"]) == ("app.py", 3)
    assert said["body"].startswith("Why 33?")


async def test_comments_outside_the_diff_are_kept_in_the_body(rig: Rig) -> None:
    pull = await rig.pull()
    comments = [
        {"path": "app.py", "line": 3, "body": "Why 33?"},
        {"path": "app.py", "line": 30, "body": "This one\nis far away."},
        {"path": "nowhere.py", "line": 1, "body": "There is no such file."},
    ]
    review = _review(pull, verdict="request_changes", comments=comments)
    answer = await (await rig.reviewer()).call("post_review", **review)
    assert (answer["posted_as"], answer["folded"]) == ("request_changes", 2)
    [posted] = await _reviews(rig, pull["number"])
    assert "`app.py:30` This one\n  is far away." in posted["body"]
    assert "`nowhere.py:1` There is no such file." in posted["body"]
    assert [said["line"] for said in await _comments(rig, pull["number"])] == [3]


@pytest.mark.parametrize("verdict", ["approve", "request_changes"])
async def test_a_verdict_on_ones_own_work_becomes_a_comment_that_says_it(open_rig: Open, verdict: str) -> None:
    async with open_rig(github_dev_token=None, github_review_token=None) as rig:
        pull = await rig.pull()
        comments = [{"path": "app.py", "line": 30, "body": "Far."}, {"path": "app.py", "line": 3, "body": "Near."}]
        review = _review(pull, verdict=verdict, comments=comments)
        service = await rig.service()
        answer = await service.call("post_review", **review)
        assert (answer["posted_as"], answer["folded"], answer["created"]) == ("comment", 1, True)
        again = await service.call("post_review", **review)
        assert (again["id"], again["posted_as"], again["created"]) == (answer["id"], "comment", False)
        [posted] = await _reviews(rig, pull["number"])
        word = "approved" if verdict == "approve" else "changes requested"
        assert posted["body"].startswith(f"**Verdict: {word}.**\n\nWell done.")
        assert "`app.py:30` Far." in posted["body"]


async def test_a_review_of_a_foreign_commit_is_refused(rig: Rig) -> None:
    pull = await rig.pull()
    with pytest.raises(InvalidInput):
        await (await rig.reviewer()).call("post_review", **_review(pull, head_sha="0" * 40))
    assert await _reviews(rig, pull["number"]) == []


async def test_a_bare_comment_is_a_review_too(rig: Rig) -> None:
    pull = await rig.pull()
    answer = await (await rig.reviewer()).call("post_review", **_review(pull, verdict="comment", body=""))
    assert answer["posted_as"] == "comment"


async def _thread(rig: Rig) -> str:
    pull = await rig.pull()
    comments = [{"path": "app.py", "line": 3, "body": "Why 33?"}]
    await (await rig.reviewer()).call("post_review", **_review(pull, verdict="request_changes", comments=comments))
    snapshot = await (await rig.service()).call("get_pull_request_snapshot", repository=TALLY, number=pull["number"])
    [thread] = snapshot["threads"]
    assert (thread["resolved"], thread["path"], thread["line"]) == (False, "app.py", 3)
    assert (thread["author"], thread["ours"]) == ("rig-review[bot]", True)
    assert thread["body"].startswith("Why 33?")
    return thread["id"]


async def test_a_thread_is_answered_once_and_resolved(rig: Rig) -> None:
    thread = await _thread(rig)
    dev, reviewer = await rig.dev(), await rig.reviewer()
    reply = {"repository": TALLY, "thread_id": thread, "body": "Because.", "key": "reply-1"}
    first = await dev.call("reply_to_thread", **reply)
    again = await dev.call("reply_to_thread", **reply)
    assert first["created"]
    assert again == {**first, "created": False}
    for _ in range(2):
        resolved = await reviewer.call("resolve_thread", repository=TALLY, thread_id=thread)
        assert resolved == {"id": thread, "resolved": True}


async def test_a_persons_thread_is_not_ours_even_with_a_mark_or_under_the_reviewers_name(rig: Rig) -> None:
    pull = await rig.pull()
    for token, body in (("ada", "Hm. <!-- rig:review-1 -->"), ("review", "Hm, from the keyboard.")):
        remark = {"commit_id": pull["head_sha"], "path": "app.py", "line": 3, "side": "RIGHT", "body": body}
        posted = await rig.double.api("POST", f"/repos/{TALLY}/pulls/{pull['number']}/comments", token, remark)
        assert posted.status_code == 201
    snapshot = await (await rig.service()).call("get_pull_request_snapshot", repository=TALLY, number=pull["number"])
    assert [(thread["author"], thread["ours"]) for thread in snapshot["threads"]] == [
        ("ada", False),
        ("rig-review[bot]", False),
    ]


async def test_a_thread_of_another_repository_is_out_of_reach(rig: Rig) -> None:
    thread = await _thread(rig)
    elsewhere = await rig.caller("review", f"{OTHER}#1")
    with pytest.raises(NotFound):
        await elsewhere.call("resolve_thread", repository=OTHER, thread_id=thread)
    with pytest.raises(NotFound):
        await elsewhere.call("reply_to_thread", repository=OTHER, thread_id=thread, body="x", key="x")
    with pytest.raises(NotFound):
        await elsewhere.call("resolve_thread", repository=OTHER, thread_id="no-such-thread")
