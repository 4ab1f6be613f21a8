"""Reviews, their comments and threads."""

from __future__ import annotations

from typing import Any

import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import (
    ADA,
    DEV,
    FIXED,
    MALLORY,
    REPO,
    REVIEW,
    Copy,
    Receiver,
    pull_request,
)

LINE = {"path": "calc.py", "line": 2, "body": "Why?"}
THREADS = """query($number: Int!) { repository(owner: "ada", name: "demo") { pullRequest(number: $number) {
  reviewDecision
  reviewThreads(first: 10) { nodes { id isResolved isOutdated line viewerCanResolve } } } } }"""


async def review(github: GitHubDouble, number: int, token: str = REVIEW, **body: Any) -> tuple[int, Any]:
    answer = await github.api("POST", f"/repos/{REPO}/pulls/{number}/reviews", token, body)
    return answer.status_code, answer.json()


async def threads(github: GitHubDouble, number: int) -> list[dict[str, Any]]:
    answer = await github.graphql(THREADS, {"number": number}, REVIEW)
    return answer["data"]["repository"]["pullRequest"]["reviewThreads"]["nodes"]


async def decision(github: GitHubDouble, number: int) -> str | None:
    answer = await github.graphql(THREADS, {"number": number}, REVIEW)
    return answer["data"]["repository"]["pullRequest"]["reviewDecision"]


async def test_nobody_approves_their_own_work(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    for event in ("APPROVE", "REQUEST_CHANGES"):
        status, body = await review(github, number, DEV, event=event, body="Mine")
        assert status == 422
        assert "your own pull request" in body["errors"][0]
    assert (await review(github, number, DEV, event="COMMENT", body="A note"))[0] == 200


async def test_the_last_verdict_of_each_writer_decides(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    assert await decision(github, number) is None
    await review(github, number, MALLORY, event="APPROVE")
    assert await decision(github, number) is None
    await review(github, number, event="REQUEST_CHANGES", body="No")
    await review(github, number, ADA, event="APPROVE")
    assert await decision(github, number) == "CHANGES_REQUESTED"
    await review(github, number, event="COMMENT", body="Still no")
    assert await decision(github, number) == "CHANGES_REQUESTED"
    await review(github, number, event="APPROVE")
    assert await decision(github, number) == "APPROVED"


async def test_a_dismissed_verdict_no_longer_counts(github: GitHubDouble, copy: Copy, hooks: Receiver) -> None:
    number = await pull_request(github, copy)
    _, given = await review(github, number, event="REQUEST_CHANGES", body="No")
    path = f"/repos/{REPO}/pulls/{number}/reviews/{given['id']}"
    assert (await github.api("PUT", f"{path}/dismissals", MALLORY, {"message": "Go"})).status_code == 403
    gone = await github.api("PUT", f"{path}/dismissals", ADA, {"message": "Go"})
    assert gone.json()["state"] == "DISMISSED"
    assert await decision(github, number) is None
    assert (await github.api("GET", path, ADA)).json()["state"] == "DISMISSED"
    await github.settle()
    assert "pull_request_review.dismissed" in hooks.names()


@pytest.mark.parametrize(
    "body",
    [
        {"event": "REQUEST_CHANGES"},
        {"event": "COMMENT"},
        {"event": "LGTM", "body": "x"},
        {"event": "COMMENT", "comments": [LINE | {"line": 40}]},
        {"event": "COMMENT", "comments": [LINE | {"path": "nothing.py"}]},
        {"event": "COMMENT", "comments": [LINE | {"path": "README.md"}]},
        {"event": "COMMENT", "comments": [LINE | {"body": " "}]},
        {"event": "COMMENT", "comments": [{"path": "calc.py", "body": "where?"}]},
        {"event": "COMMENT", "comments": "calc.py:2"},
    ],
)
async def test_wrong_reviews_are_refused_and_leave_nothing(
    github: GitHubDouble, copy: Copy, body: dict[str, Any]
) -> None:
    number = await pull_request(github, copy)
    assert (await review(github, number, **body))[0] == 422
    assert (await github.api("GET", f"/repos/{REPO}/pulls/{number}/reviews", DEV)).json() == []
    assert await threads(github, number) == []


async def test_line_comments_become_threads_and_are_announced(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    comments = [LINE, LINE | {"line": 2, "side": "LEFT", "body": "It was better"}]
    status, given = await review(github, number, event="REQUEST_CHANGES", body="Two things", comments=comments)
    assert (status, given["state"]) == (200, "CHANGES_REQUESTED")
    listed = (await github.api("GET", f"/repos/{REPO}/pulls/{number}/comments", DEV)).json()
    assert [(c["line"], c["side"], c["user"]["login"]) for c in listed] == [
        (2, "RIGHT", "rig-review[bot]"),
        (2, "LEFT", "rig-review[bot]"),
    ]
    assert listed[0]["diff_hunk"].endswith("+    return a + b")
    assert listed[1]["diff_hunk"].endswith("-    return a - b")
    answer = await github.api(
        "POST", f"/repos/{REPO}/pulls/{number}/comments/{listed[0]['id']}/replies", DEV, {"body": "Because"}
    )
    assert (answer.status_code, answer.json()["in_reply_to_id"]) == (201, listed[0]["id"])
    assert len(await threads(github, number)) == 2
    of_review = await github.api("GET", f"/repos/{REPO}/pulls/{number}/reviews/{given['id']}/comments", DEV)
    assert len(of_review.json()) == 2
    await github.settle()
    told = [name for name in hooks.names() if "review" in name]
    assert told == [
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "pull_request_review_comment.created",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
    ]
    assert hooks.payload("pull_request_review.submitted")["review"]["state"] == "changes_requested"


async def test_a_comment_follows_its_line_and_is_outdated_when_that_changes(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    await review(github, number, event="COMMENT", comments=[LINE])
    await copy.commit("docs: say what", calc_py='"""Sums."""\n\n' + FIXED)
    await copy.push()
    assert [(t["line"], t["isOutdated"]) for t in await threads(github, number)] == [(4, False)]
    await copy.commit("fix: other way", calc_py='"""Sums."""\n\n' + FIXED.replace("a + b", "b + a"))
    await copy.push()
    assert [(t["line"], t["isOutdated"]) for t in await threads(github, number)] == [(None, True)]


async def test_threads_are_resolved_answered_and_opened_again(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    await review(github, number, event="COMMENT", comments=[LINE])
    thread = (await threads(github, number))[0]["id"]
    resolve = "mutation($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }"
    refused = await github.graphql(resolve, {"id": thread}, MALLORY)
    assert refused["errors"][0]["type"] == "FORBIDDEN"
    done = await github.graphql(resolve, {"id": thread}, DEV)
    assert done["data"]["resolveReviewThread"]["thread"]["isResolved"] is True
    reply = """mutation($id: ID!, $body: String!) { addPullRequestReviewThreadReply(
      input: {pullRequestReviewThreadId: $id, body: $body}) { comment { body author { login __typename } } } }"""
    said = await github.graphql(reply, {"id": thread, "body": "Done."}, DEV)
    assert said["data"]["addPullRequestReviewThreadReply"]["comment"] == {
        "body": "Done.",
        "author": {"login": "rig-dev", "__typename": "Bot"},
    }
    unresolve = resolve.replace("resolveReviewThread", "unresolveReviewThread")
    await github.graphql(unresolve, {"id": thread}, REVIEW)
    assert [t["isResolved"] for t in await threads(github, number)] == [False]
    missing = await github.graphql(resolve, {"id": "PRRT_1"}, DEV)
    assert missing["errors"][0]["type"] == "NOT_FOUND"
    await github.settle()
    told = [name for name in hooks.names() if "thread" in name]
    assert told == ["pull_request_review_thread.resolved", "pull_request_review_thread.unresolved"]


async def test_a_pending_review_is_its_authors_alone_until_it_is_submitted(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    _, pending = await review(github, number, body="Draft", comments=[LINE])
    path = f"/repos/{REPO}/pulls/{number}/reviews"
    assert (await github.api("GET", path, DEV)).json() == []
    assert [each["state"] for each in (await github.api("GET", path, REVIEW)).json()] == ["PENDING"]
    submitted = f"{path}/{pending['id']}/events"
    assert (await github.api("POST", submitted, DEV, {"event": "APPROVE"})).status_code == 403
    assert (await github.api("POST", submitted, REVIEW, {"event": "APPROVE"})).json()["state"] == "APPROVED"
    assert (await github.api("POST", submitted, REVIEW, {"event": "APPROVE"})).status_code == 422
    await github.settle()
    assert [name for name in hooks.names() if "review" in name] == [
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
    ]


async def test_a_verdict_stays_with_the_commit_it_was_given_for(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    first = await copy.head()
    await copy.commit("fix: more", README_md="# More\n")
    await copy.push()
    status, given = await review(github, number, event="APPROVE", commit_id=first)
    assert (status, given["commit_id"]) == (200, first)
    assert (await review(github, number, event="APPROVE", commit_id="f" * 40))[0] == 422
    await copy.git("reset", "-q", "--hard", "origin/main")
    await copy.commit("fix: anew", calc_py=FIXED)
    await copy.push("--force")
    status, refused = await review(github, number, event="APPROVE", commit_id=first)
    assert (status, refused["errors"]) == (422, ["The commit_id is not part of the pull request"])
