"""REST: reviews and review comments."""

from __future__ import annotations

from typing import Any, cast

from starlette.routing import Route

from rig.doubles.github import reviews
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import forbidden, not_found, unprocessable
from rig.doubles.github.model import Json, Review, ReviewComment, Thread
from rig.doubles.github.reviews import Draft, Place
from rig.doubles.github.shapes import pulls as shapes


def place(call: Call) -> Place:
    return Place(call.world, call.repository, call.pull)


async def list_reviews(call: Call) -> Answer:
    seen = [r for r in call.pull.reviews if r.state != "PENDING" or r.user is call.viewer.user]
    return call.page(seen, lambda review: shapes.review(call.world, call.repository, call.pull, review))


async def create_review(call: Call) -> Answer:
    author = call.require("read", "pull_requests")
    body, event = call.body.get("body") or "", call.body.get("event") or ""
    drafts = [_draft(each) for each in _objects(call.body.get("comments"))]
    commit = call.body.get("commit_id")
    review = await reviews.give(place(call), author, event, body, commit, drafts)
    return shapes.review(call.world, call.repository, call.pull, review)


def _objects(value: Any) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in cast(list[Any], value)):
        raise unprocessable("comments must be a list of objects")
    return cast(list[Json], value)


def _draft(sent: Json) -> Draft:
    path, body, line = sent.get("path"), sent.get("body"), sent.get("line", sent.get("position"))
    if not isinstance(path, str) or not isinstance(body, str) or not body.strip():
        raise unprocessable("comments need a path and a body")
    if line is not None and not isinstance(line, int):
        raise unprocessable("line must be a number")
    side = str(sent.get("side") or "RIGHT")
    if line is None and sent.get("subject_type") != "file":
        raise unprocessable("line could not be resolved")
    return Draft(path, body, line, side)


def _review(call: Call) -> Review:
    wanted = int(call.param("review"))
    for review in call.pull.reviews:
        if review.id == wanted:
            return review
    raise not_found()


async def get_review(call: Call) -> Answer:
    return shapes.review(call.world, call.repository, call.pull, _review(call))


async def submit_review(call: Call) -> Answer:
    actor, review = call.require("read", "pull_requests"), _review(call)
    if review.user is not actor:
        raise forbidden()
    if review.state != "PENDING":
        raise unprocessable("Review has already been submitted")
    reviews.submit(place(call), review, str(call.body.get("event")), call.body.get("body") or "")
    return shapes.review(call.world, call.repository, call.pull, review)


async def dismiss_review(call: Call) -> Answer:
    actor, review = call.require("write", "pull_requests"), _review(call)
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise unprocessable("Can not dismiss a commented pull request review")
    reviews.dismiss(place(call), review, actor)
    return shapes.review(call.world, call.repository, call.pull, review)


def _all_comments(call: Call) -> list[ReviewComment]:
    said = [c for thread in call.pull.threads for c in thread.comments if c.review.state != "PENDING"]
    return sorted(said, key=lambda comment: comment.id)


async def list_comments(call: Call) -> Answer:
    return call.page(_all_comments(call), lambda c: shapes.review_comment(call.world, call.repository, call.pull, c))


async def list_comments_of_review(call: Call) -> Answer:
    review = _review(call)
    said = [c for thread in call.pull.threads for c in thread.comments if c.review is review]
    return call.page(said, lambda c: shapes.review_comment(call.world, call.repository, call.pull, c))


async def create_comment(call: Call) -> Answer:
    author, body = call.require("read", "pull_requests"), call.text("body", "PullRequestReviewComment")
    if reply_to := call.body.get("in_reply_to"):
        said = reviews.reply(place(call), _thread_of(call, int(reply_to)), author, body)
    else:
        said = await reviews.comment_alone(place(call), author, _draft(call.body), call.body.get("commit_id"))
    return Reply(shapes.review_comment(call.world, call.repository, call.pull, said), 201)


async def reply(call: Call) -> Answer:
    author, body = call.require("read", "pull_requests"), call.text("body", "PullRequestReviewComment")
    said = reviews.reply(place(call), _thread_of(call, int(call.param("id"))), author, body)
    return Reply(shapes.review_comment(call.world, call.repository, call.pull, said), 201)


def _thread_of(call: Call, comment: int) -> Thread:
    for thread in call.pull.threads:
        if thread.root.id == comment:
            return thread
    raise not_found()


ONE = "/repos/{owner}/{repo}/pulls/{number:int}"
routes: list[Route] = [
    rest(ONE + "/reviews", "GET", list_reviews),
    rest(ONE + "/reviews", "POST", create_review),
    rest(ONE + "/reviews/{review:int}", "GET", get_review),
    rest(ONE + "/reviews/{review:int}/events", "POST", submit_review),
    rest(ONE + "/reviews/{review:int}/dismissals", "PUT", dismiss_review),
    rest(ONE + "/reviews/{review:int}/comments", "GET", list_comments_of_review),
    rest(ONE + "/comments", "GET", list_comments),
    rest(ONE + "/comments", "POST", create_comment),
    rest(ONE + "/comments/{id:int}/replies", "POST", reply),
]
