"""GraphQL: the mutations that REST has no word for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rig.doubles.github import issues, pulls, queue
from rig.doubles.github import reviews as acts
from rig.doubles.github.graphql.engine import Context, Failed, Node, plain, resolves
from rig.doubles.github.graphql.pulls import queue_entry
from rig.doubles.github.graphql.reads import At, find_node
from rig.doubles.github.graphql.reviews import may_resolve
from rig.doubles.github.model import Json, PullRequest


def _payload(type_name: str, name: str) -> None:
    def read(answer: Json) -> Any:
        return answer[name]

    plain(type_name, clientMutationId=lambda answer: answer["clientMutationId"], **{name: read})


def _named(context: Context, given: Json, field: str, type_name: str) -> At:
    found = find_node(context, str(given.get(field)))
    if found.type != type_name:
        raise Failed(
            "NOT_FOUND", f"Could not resolve to {type_name} node with the global id of '{given.get(field)}'."
        )
    return found.source


def _answer(given: Json, **more: Any) -> Json:
    return {"clientMutationId": given.get("clientMutationId"), **more}


def _set_resolved(context: Context, given: Json, *, resolved: bool) -> Json:
    at = _named(context, given, "threadId", "PullRequestReviewThread")
    if not may_resolve(context, at) or at.pull is None:
        raise Failed("FORBIDDEN", "Viewer does not have permission to resolve this thread")
    context.viewer.require_grant("pull_requests")
    place = acts.Place(context.world, at.repo, at.pull)
    acts.resolve(place, at.item, context.viewer.signed_in(), resolved=resolved)
    return _answer(given, thread=Node("PullRequestReviewThread", at))


@resolves("Mutation", "resolveReviewThread", "input")
def _resolve(context: Context, root: None, arguments: Json) -> Node:
    return Node("ResolveReviewThreadPayload", _set_resolved(context, arguments["input"], resolved=True))


@resolves("Mutation", "unresolveReviewThread", "input")
def _unresolve(context: Context, root: None, arguments: Json) -> Node:
    return Node("UnresolveReviewThreadPayload", _set_resolved(context, arguments["input"], resolved=False))


_payload("ResolveReviewThreadPayload", "thread")
_payload("UnresolveReviewThreadPayload", "thread")


@resolves("Mutation", "addPullRequestReviewThreadReply", "input")
def _reply(context: Context, root: None, arguments: Json) -> Node:
    given: Json = arguments["input"]
    at = _named(context, given, "pullRequestReviewThreadId", "PullRequestReviewThread")
    if not str(given.get("body") or "").strip() or at.pull is None:
        raise Failed("UNPROCESSABLE", "Body can't be blank")
    context.viewer.require_grant("pull_requests")
    place = acts.Place(context.world, at.repo, at.pull)
    said = acts.reply(place, at.item, context.viewer.signed_in(), given["body"])
    comment = Node("PullRequestReviewComment", At(at.repo, said, at.pull))
    return Node("AddPullRequestReviewThreadReplyPayload", _answer(given, comment=comment))


_payload("AddPullRequestReviewThreadReplyPayload", "comment")


@resolves("Mutation", "enqueuePullRequest", "input")
async def _enqueue(context: Context, root: None, arguments: Json) -> Node:
    """Into the branch's merge queue, which lands it by itself."""
    given: Json = arguments["input"]
    at = _named(context, given, "pullRequestId", "PullRequest")
    await _check_queue(context, at, given.get("expectedHeadOid"))
    pull: PullRequest = at.item
    pull.queue_entry = context.world.next_id()
    user = context.viewer.signed_in()
    issues.announce_pull(context.world, at.repo, pull, "enqueued", user)
    entry = queue_entry(at)
    context.world.spawn(queue.run(context.world, at.repo, pull, user))
    return Node("EnqueuePullRequestPayload", _answer(given, mergeQueueEntry=entry))


async def _check_queue(context: Context, at: At, expected: str | None) -> None:
    pull: PullRequest = at.item
    protection = at.repo.protections.get(pull.base_ref)
    context.viewer.require(at.repo, "write")
    if protection is None or not protection.merge_queue:
        raise Failed("UNPROCESSABLE", "Merge queue is not enabled for the base branch")
    if expected and expected != pull.head_sha:
        raise Failed("UNPROCESSABLE", "Head branch was modified. Review and try again.")
    if pull.queue_entry is not None:
        raise Failed("UNPROCESSABLE", "Pull request is already in the queue")
    await pulls.compute_mergeable(at.repo, pull)
    reason = pulls.refusal(context.world, at.repo, pull)
    if reason or not pull.mergeable or pull.draft or not pull.is_open:
        raise Failed("UNPROCESSABLE", reason or "Pull request is not mergeable")


@resolves("Mutation", "dequeuePullRequest", "input")
def _dequeue(context: Context, root: None, arguments: Json) -> Node:
    given: Json = arguments["input"]
    at = _named(context, given, "id", "PullRequest")
    context.viewer.require(at.repo, "write")
    if at.item.queue_entry is None:
        raise Failed("UNPROCESSABLE", "Pull request is not in the queue")
    entry = queue_entry(At(at.repo, replace(at.item)))
    queue.leave(context.world, at.repo, at.item, context.viewer.signed_in(), "MANUAL")
    return Node("DequeuePullRequestPayload", _answer(given, mergeQueueEntry=entry))


_payload("EnqueuePullRequestPayload", "mergeQueueEntry")
_payload("DequeuePullRequestPayload", "mergeQueueEntry")


def _set_draft(context: Context, given: Json, *, draft: bool) -> Json:
    at = _named(context, given, "pullRequestId", "PullRequest")
    user = context.viewer.signed_in()
    if user is not at.item.issue.user:
        context.viewer.require(at.repo, "write")
    if at.item.draft is not draft:
        at.item.draft = draft
        action = "converted_to_draft" if draft else "ready_for_review"
        issues.announce_pull(context.world, at.repo, at.item, action, user)
    return _answer(given, pullRequest=Node("PullRequest", at))


@resolves("Mutation", "markPullRequestReadyForReview", "input")
def _ready(context: Context, root: None, arguments: Json) -> Node:
    return Node("MarkPullRequestReadyForReviewPayload", _set_draft(context, arguments["input"], draft=False))


@resolves("Mutation", "convertPullRequestToDraft", "input")
def _draft(context: Context, root: None, arguments: Json) -> Node:
    return Node("ConvertPullRequestToDraftPayload", _set_draft(context, arguments["input"], draft=True))


_payload("MarkPullRequestReadyForReviewPayload", "pullRequest")
_payload("ConvertPullRequestToDraftPayload", "pullRequest")
