"""GraphQL: reviews and review threads; whether a thread is resolved is said nowhere else."""

from __future__ import annotations

from rig.doubles.github import repos as store
from rig.doubles.github import reviews
from rig.doubles.github.graphql.engine import PAGING, Context, Node, connection, plain, resolves
from rig.doubles.github.graphql.reads import At, actor
from rig.doubles.github.model import Json, PullRequest, Review, stamp
from rig.doubles.github.shapes import people
from rig.doubles.github.shapes import pulls as shapes


@resolves("PullRequest", "reviewThreads", *PAGING)
def _threads(context: Context, at: At, arguments: Json) -> Node:
    found = [Node("PullRequestReviewThread", At(at.repo, thread, at.item)) for thread in at.item.threads]
    return connection("PullRequestReviewThreadConnection", found, arguments)


plain(
    "PullRequestReviewThread",
    id=lambda at: f"PRRT_{at.item.id}",
    isResolved=lambda at: at.item.resolved_by is not None,
    isOutdated=lambda at: at.item.outdated,
    isCollapsed=lambda at: at.item.resolved_by is not None,
    path=lambda at: at.item.root.path,
    line=lambda at: at.item.root.line,
    originalLine=lambda at: at.item.root.original_line,
    diffSide=lambda at: at.item.root.side,
    resolvedBy=lambda at: Node("User", at.item.resolved_by) if at.item.resolved_by else None,
    pullRequest=lambda at: Node("PullRequest", At(at.repo, at.pull, at.pull)),
    repository=lambda at: Node("Repository", at.repo),
)


@resolves("PullRequestReviewThread", "viewerCanResolve")
def _can_resolve(context: Context, at: At, arguments: Json) -> bool:
    return at.item.resolved_by is None and may_resolve(context, at)


def may_resolve(context: Context, at: At) -> bool:
    mine = at.pull is not None and at.pull.issue.user is context.viewer.user
    return mine or context.viewer.may(at.repo, "write")


@resolves("PullRequestReviewThread", "comments", *PAGING)
def _comments(context: Context, at: At, arguments: Json) -> Node:
    found = [Node("PullRequestReviewComment", At(at.repo, said, at.pull)) for said in at.item.comments]
    return connection("PullRequestReviewCommentConnection", found, arguments)


plain(
    "PullRequestReviewComment",
    id=lambda at: f"PRRC_{at.item.id}",
    databaseId=lambda at: at.item.id,
    author=lambda at: actor(at.item.user),
    body=lambda at: at.item.body,
    path=lambda at: at.item.path,
    line=lambda at: at.item.line,
    originalLine=lambda at: at.item.original_line,
    diffHunk=lambda at: at.item.diff_hunk,
    outdated=lambda at: at.item.line is None,
    createdAt=lambda at: stamp(at.item.created_at),
    pullRequestReview=lambda at: Node("PullRequestReview", At(at.repo, at.item.review, at.pull)),
)


@resolves("PullRequestReviewComment", "url")
def _comment_url(context: Context, at: At, arguments: Json) -> str:
    assert at.pull is not None  # noqa: S101 - a review comment is always on a pull request
    return shapes.review_comment(context.world, at.repo, at.pull, at.item)["html_url"]


plain(
    "PullRequestReview",
    id=lambda at: f"PRR_{at.item.id}",
    databaseId=lambda at: at.item.id,
    author=lambda at: actor(at.item.user),
    body=lambda at: at.item.body,
    state=lambda at: at.item.state,
    submittedAt=lambda at: stamp(at.item.submitted_at),
    createdAt=lambda at: stamp(at.item.submitted_at),
    pullRequest=lambda at: Node("PullRequest", At(at.repo, at.pull, at.pull)),
)


@resolves("PullRequestReview", "commit")
async def _reviewed(context: Context, at: At, arguments: Json) -> Node:
    return Node("Commit", At(at.repo, await store.commit(at.repo.path, at.item.commit_id), at.pull))


@resolves("PullRequestReview", "authorAssociation")
def _association(context: Context, at: At, arguments: Json) -> str:
    return people.association(at.repo, at.item.user)


@resolves("PullRequestReview", "authorCanPushToRepository")
def _can_push(context: Context, at: At, arguments: Json) -> bool:
    return reviews.may_write(context.world, at.repo, at.item.user)


@resolves("PullRequestReview", "comments", *PAGING)
def _review_comments(context: Context, at: At, arguments: Json) -> Node:
    threads = at.pull.threads if at.pull else []
    said = [c for thread in threads for c in thread.comments if c.review is at.item]
    found = [Node("PullRequestReviewComment", At(at.repo, each, at.pull)) for each in said]
    return connection("PullRequestReviewCommentConnection", found, arguments)


def _listed(at: At, found: list[Review], arguments: Json) -> Node:
    nodes = [Node("PullRequestReview", At(at.repo, review, at.item)) for review in found]
    return connection("PullRequestReviewConnection", nodes, arguments)


@resolves("PullRequest", "reviews", *PAGING, "states", "author")
def _reviews(context: Context, at: At, arguments: Json) -> Node:
    pull: PullRequest = at.item
    states, author = arguments.get("states"), arguments.get("author")
    seen = [r for r in pull.reviews if r.state != "PENDING" or r.user is context.viewer.user]
    chosen = [r for r in seen if (not states or r.state in states) and author in (None, r.user.login)]
    return _listed(at, chosen, arguments)


@resolves("PullRequest", "latestReviews", *PAGING)
def _latest(context: Context, at: At, arguments: Json) -> Node:
    seen = [review for review in at.item.reviews if review.state != "PENDING"]
    return _listed(at, list({r.user.login: r for r in seen}.values()), arguments)


@resolves("PullRequest", "latestOpinionatedReviews", *PAGING, "writersOnly")
def _opinions(context: Context, at: At, arguments: Json) -> Node:
    found = reviews.latest_opinions(at.item)
    if arguments.get("writersOnly"):
        found = [r for r in found if reviews.may_write(context.world, at.repo, r.user)]
    return _listed(at, found, arguments)
