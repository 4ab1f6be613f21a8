"""Reviews and their threads: giving a verdict, answering, resolving, and going out of date."""

from __future__ import annotations

from dataclasses import dataclass

from rig.doubles.github import repos as store
from rig.doubles.github.auth import role_of
from rig.doubles.github.diffs import FileDiff, follow, hunk_around
from rig.doubles.github.errors import unprocessable
from rig.doubles.github.model import (
    PullRequest,
    Repository,
    Review,
    ReviewComment,
    Thread,
    User,
    now,
)
from rig.doubles.github.shapes import pulls as shapes
from rig.doubles.github.state import World, touch

STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
OPINIONS = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


@dataclass(frozen=True)
class Draft:
    """A line comment as it was sent."""

    path: str
    body: str
    line: int | None
    side: str = "RIGHT"


@dataclass(frozen=True)
class Place:
    """Which pull request of which repository."""

    world: World
    repo: Repository
    pull: PullRequest


async def give(
    place: Place, author: User, event: str, body: str, commit_id: str | None, drafts: list[Draft]
) -> Review:
    """Record a review; an empty event leaves it pending."""
    _check_verdict(place, author, event, body, drafts)
    sha = commit_id or place.pull.head_sha
    files = await changed_files(place, sha)
    state = STATES.get(event, "PENDING")
    review = Review(place.world.next_id(), author, body, state, sha, now() if event else None)
    threads = [Thread(place.world.next_id(), [_comment(place, review, d, files)]) for d in drafts]
    place.pull.reviews.append(review)
    place.pull.threads.extend(threads)
    touch(place.pull.issue)
    if event:
        announce(place, review)
    return review


def _check_verdict(place: Place, author: User, event: str, body: str, drafts: list[Draft]) -> None:
    if event and event not in STATES:
        raise unprocessable(f"Variable $event of type PullRequestReviewEvent was provided invalid value: {event}")
    if author is place.pull.issue.user and event in ("APPROVE", "REQUEST_CHANGES"):
        words = "approve" if event == "APPROVE" else "request changes on"
        raise unprocessable(f"Can not {words} your own pull request")
    if event in ("REQUEST_CHANGES", "COMMENT") and not body.strip() and not (event == "COMMENT" and drafts):
        raise unprocessable("Body can't be blank", message="Unprocessable Entity")


async def changed_files(place: Place, sha: str) -> dict[str, FileDiff]:
    base = await store.merge_base(place.repo.path, place.pull.base_sha, sha)
    if base is None or await store.merge_base(place.repo.path, sha, place.pull.head_sha) != sha:
        raise unprocessable("The commit_id is not part of the pull request")
    return {file.path: file for file in await store.diff(place.repo.path, base, sha)}


def _comment(place: Place, review: Review, draft: Draft, files: dict[str, FileDiff]) -> ReviewComment:
    file = files.get(draft.path)
    if file is None:
        raise unprocessable("Path could not be resolved")
    if draft.line is not None and not file.covers(draft.line, draft.side):
        raise unprocessable("Line could not be resolved")
    return ReviewComment(
        id=place.world.next_id(),
        user=review.user,
        body=draft.body,
        path=draft.path,
        diff_hunk=hunk_around(file.patch or "", draft.line or 0, draft.side),
        commit_id=review.commit_id,
        original_commit_id=review.commit_id,
        side=draft.side,
        line=draft.line,
        original_line=draft.line,
        review=review,
    )


def announce(place: Place, review: Review) -> None:
    """The review itself, then each of its comments."""
    world, repo, pull = place.world, place.repo, place.pull
    described = shapes.review(world, repo, pull, review)
    described["state"] = review.state.lower()
    simple = shapes.simple(world, repo, pull)
    world.webhooks.emit(
        repo, "pull_request_review", review.user, action="submitted", review=described, pull_request=simple
    )
    for thread in pull.threads:
        for said in thread.comments:
            if said.review is review:
                announce_comment(place, said)


def announce_comment(place: Place, said: ReviewComment) -> None:
    place.world.webhooks.emit(
        place.repo,
        "pull_request_review_comment",
        said.user,
        action="created",
        comment=shapes.review_comment(place.world, place.repo, place.pull, said),
        pull_request=shapes.simple(place.world, place.repo, place.pull),
    )


def submit(place: Place, review: Review, event: str, body: str) -> None:
    _check_verdict(place, review.user, event, body or review.body, [])
    review.state, review.submitted_at, review.body = STATES[event], now(), body or review.body
    announce(place, review)


def dismiss(place: Place, review: Review, actor: User) -> None:
    review.state = "DISMISSED"
    described = shapes.review(place.world, place.repo, place.pull, review) | {"state": "dismissed"}
    simple = shapes.simple(place.world, place.repo, place.pull)
    place.world.webhooks.emit(
        place.repo, "pull_request_review", actor, action="dismissed", review=described, pull_request=simple
    )


async def comment_alone(place: Place, author: User, draft: Draft, commit_id: str | None) -> ReviewComment:
    """A line comment outside a review; GitHub wraps it in one of its own."""
    review = await give(place, author, "COMMENT", "", commit_id, [draft])
    return next(t.root for t in place.pull.threads if t.root.review is review)


def reply(place: Place, thread: Thread, author: User, body: str) -> ReviewComment:
    root = thread.root
    review = Review(place.world.next_id(), author, "", "COMMENTED", place.pull.head_sha, now())
    place.pull.reviews.append(review)
    said = ReviewComment(
        id=place.world.next_id(),
        user=author,
        body=body,
        path=root.path,
        diff_hunk=root.diff_hunk,
        commit_id=root.commit_id,
        original_commit_id=root.original_commit_id,
        side=root.side,
        line=root.line,
        original_line=root.original_line,
        review=review,
        reply_to=root.id,
    )
    thread.comments.append(said)
    touch(place.pull.issue)
    announce(place, review)
    return said


def resolve(place: Place, thread: Thread, actor: User, *, resolved: bool) -> None:
    if (thread.resolved_by is not None) is resolved:
        return
    thread.resolved_by = actor if resolved else None
    place.world.webhooks.emit(
        place.repo,
        "pull_request_review_thread",
        actor,
        action="resolved" if resolved else "unresolved",
        thread=shapes.thread(place.world, place.repo, place.pull, thread),
        pull_request=shapes.simple(place.world, place.repo, place.pull),
    )


async def carry_threads(place: Place, old: str, new: str) -> None:
    """After a push, move each comment with its line; one whose line was touched is outdated."""
    for path in {t.root.path for t in place.pull.threads if not t.outdated and t.root.side == "RIGHT"}:
        hunks = await store.changed_hunks(place.repo.path, old, new, path)
        for thread in place.pull.threads:
            if thread.root.path == path and thread.root.line is not None and not thread.outdated:
                _carry(thread, follow(thread.root.line, hunks), new)


def _carry(thread: Thread, line: int | None, sha: str) -> None:
    thread.outdated = line is None
    for said in thread.comments:
        said.line = line
        said.commit_id = sha if line is not None else said.commit_id


def latest_opinions(pull: PullRequest) -> list[Review]:
    """The last approving, rejecting or dismissed review of each person."""
    opinions = [review for review in pull.reviews if review.state in OPINIONS]
    return list({review.user.login: review for review in opinions}.values())


def decision(world: World, repo: Repository, pull: PullRequest) -> str | None:
    """GraphQL's reviewDecision; None where nobody said anything and nothing is required."""
    words = [review.state for review in latest_opinions(pull) if may_write(world, repo, review.user)]
    protection = repo.protections.get(pull.base_ref)
    wanted = protection.required_reviews if protection else 0
    if "CHANGES_REQUESTED" in words:
        return "CHANGES_REQUESTED"
    approvals = words.count("APPROVED")
    if approvals < wanted:
        return "REVIEW_REQUIRED"
    return "APPROVED" if approvals else None


def may_write(world: World, repo: Repository, account: User) -> bool:
    """Whether the account's verdict counts: a writer, or an App installed here."""
    if any(f"{i.app.slug}[bot]" == account.login for i in world.installations_on(repo)):
        return True
    return role_of(account, None, repo) in ("write", "maintain", "admin")
