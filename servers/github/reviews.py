"""Tools for reviews and their threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from github import GithubException
from github.Repository import Repository as GitHubRepository
from pydantic import Field

from servers.github.arguments import As, Body, Key, NodeId, Number, Repository, Sha
from servers.github.client import ask, mutate
from servers.github.failures import words
from servers.github.lines import fold, split
from servers.github.marks import carries, marked
from servers.github.models import LineComment, PostedReview, Reply, ThreadAnswer, Verdict
from servers.github.snapshot import actor
from servers.github.toolbox import REVIEWERS, WRITERS, AccessDep, tools
from servers.github.trees import Json, child, children
from servers.kit.errors import NotFound
from servers.kit.tools import WRITE_WORLD

_EVENTS: dict[Verdict, str] = {
    "approve": "APPROVE",
    "request_changes": "REQUEST_CHANGES",
    "comment": "COMMENT",
}
_VERDICTS: dict[str, Verdict] = {"APPROVED": "approve", "CHANGES_REQUESTED": "request_changes"}
_IN_WORDS: dict[Verdict, str] = {
    "approve": "**Verdict: approved.**",
    "request_changes": "**Verdict: changes requested.**",
    "comment": "",
}


@dataclass(frozen=True)
class _Draft:
    """A review as it is tried; what GitHub refuses is taken back step by step."""

    head_sha: str
    verdict: Verdict
    body: str
    inside: tuple[LineComment, ...]
    outside: tuple[LineComment, ...] = ()

    def payload(self, key: str) -> Json:
        return {
            "commit_id": self.head_sha,
            "event": _EVENTS[self.verdict],
            "body": marked(fold(self.body, self.outside), key),
            "comments": [
                {"path": c.path, "line": c.line, "side": "RIGHT", "body": marked(c.body, key)} for c in self.inside
            ],
        }

    def as_comment(self) -> _Draft:
        return replace(self, verdict="comment", body=f"{_IN_WORDS[self.verdict]}\n\n{self.body}".strip())


@tools.tool(WRITE_WORLD, REVIEWERS)
async def post_review(
    repository: Repository,
    number: Number,
    head_sha: Sha,
    verdict: Annotated[Verdict, Field(description="approve, request_changes or comment")],
    body: Body,
    key: Key,
    access: AccessDep,
    comments: Annotated[list[LineComment] | None, Field(description="On single lines", max_length=100)] = None,
    identity: Annotated[
        Literal["conductor", "dev", "review"] | None,
        Field(description="Identity on GitHub; only servers may choose, theirs is review by default"),
    ] = None,
) -> PostedReview:
    """Post a review of one commit, once per key.

    GitHub refuses a verdict on one's own pull request: it is posted as a comment that says it in words. Line
    comments outside the diff go into the body. The answer says where that happened.
    """
    default = "review" if access.caller.role == "service" else None
    repo = await access.writing(repository, identity or default)
    login = await repo.login()
    draft = _Draft(head_sha, verdict, body, tuple(comments or ()))

    def look(repo: GitHubRepository) -> PostedReview | None:
        for review in repo.get_pull(number).get_reviews():
            if carries(review.body, key) and review.user.login == login:
                posted = _VERDICTS.get(review.state, "comment")
                return PostedReview(id=review.id, url=review.html_url, posted_as=posted, folded=0, created=False)
        return None

    review, created = await repo.once(
        f"review {number} {key}", look, lambda opened: _post(opened, number, draft, key)
    )
    return review.model_copy(update={"created": created})


def _post(repo: GitHubRepository, number: int, draft: _Draft, key: str) -> PostedReview:
    # At most: the verdict taken back, the comments sorted, and then all of them folded.
    for _ in range(3):
        try:
            return _send(repo, number, draft, key)
        except GithubException as error:
            draft = _yielding(repo, number, draft, error)
    return _send(repo, number, draft, key)


def _send(repo: GitHubRepository, number: int, draft: _Draft, key: str) -> PostedReview:
    _, answer = repo.requester.requestJsonAndCheck(
        "POST", f"{repo.url}/pulls/{number}/reviews", input=draft.payload(key)
    )
    return PostedReview(
        id=answer["id"],
        url=answer["html_url"],
        posted_as=draft.verdict,
        folded=len(draft.outside),
        created=True,
    )


def _yielding(repo: GitHubRepository, number: int, draft: _Draft, error: GithubException) -> _Draft:
    """What to try instead of a draft that GitHub refused; the error again where nothing would help."""
    if error.status != 422:
        raise error
    if "your own pull request" in words(error).lower() and draft.verdict != "comment":
        return draft.as_comment()
    if not draft.inside:
        raise error
    if draft.outside:
        return replace(draft, inside=(), outside=(*draft.inside, *draft.outside))
    patches = {file.filename: file.patch or "" for file in repo.get_pull(number).get_files()}
    inside, outside = split(draft.inside, patches)
    return replace(draft, inside=tuple(inside) if outside else (), outside=tuple(outside) or draft.inside)


@tools.tool(WRITE_WORLD, REVIEWERS)
async def resolve_thread(
    repository: Repository, thread_id: NodeId, access: AccessDep, identity: As = None
) -> ThreadAnswer:
    """Mark a review thread as resolved; a resolved one stays so. An author does not resolve: a reviewer does."""
    repo = await access.writing(repository, identity)

    def write(repo: GitHubRepository) -> ThreadAnswer:
        thread = _thread(repo, repository, thread_id)
        if not thread["isResolved"]:
            thread = mutate(repo, "resolve_thread", id=thread_id)["resolveReviewThread"]["thread"]
        return ThreadAnswer(id=thread_id, resolved=thread["isResolved"])

    return await repo.run(write)


@tools.tool(WRITE_WORLD, WRITERS)
async def reply_to_thread(
    repository: Repository,
    thread_id: NodeId,
    body: Annotated[Body, Field(min_length=1)],
    key: Key,
    access: AccessDep,
    identity: As = None,
) -> Reply:
    """Answer in a review thread, once per key."""
    repo = await access.writing(repository, identity)
    login = await repo.login()

    def look(repo: GitHubRepository) -> Json | None:
        comments = children(_thread(repo, repository, thread_id), "comments", "nodes")
        mine = (comment for comment in comments if actor(comment["author"]) == login)
        return next((comment for comment in mine if carries(comment["body"], key)), None)

    def write(repo: GitHubRepository) -> Json:
        answer = mutate(repo, "reply_to_thread", id=thread_id, body=marked(body, key))
        return answer["addPullRequestReviewThreadReply"]["comment"]

    comment, created = await repo.once(f"reply {thread_id} {key}", look, write)
    return Reply(id=comment["id"], url=comment["url"], created=created)


def _thread(repo: GitHubRepository, repository: str, thread_id: str) -> Json:
    """The thread, if it is one of this repository: an id of any other must open nothing."""
    node = child(ask(repo, "thread", id=thread_id), "node")
    owner = str(child(node, "repository").get("nameWithOwner"))
    if node.get("__typename") != "PullRequestReviewThread" or owner.lower() != repository.lower():
        raise NotFound(f"There is no review thread {thread_id} in {repository}.")
    return node
