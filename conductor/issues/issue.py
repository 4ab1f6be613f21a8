"""The state of one issue, folded from its stream; everything here is derived and nothing is stored apart from it."""

from __future__ import annotations

from typing import Literal
from zlib import crc32

import msgspec

from conductor.events import Block, Comment, Kind, Priority, Step, Why

Status = Literal[
    "new", "queued", "blocked", "assigned", "in_progress", "in_review", "changes_requested", "awaiting_human",
    "ready_to_merge", "merging", "deploying", "done", "stuck", "escalated", "cancelled",
]  # fmt: skip
READY_LABEL = "agent-ready"
NEEDS_INFO_LABEL = "needs-info"
Checks = Literal["unknown", "passed", "failed"]
OfferRole = Literal["dev", "review"]


class Holder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who works on the issue right now, under which fence."""

    kind: Kind
    agent: str
    instance: str
    boot: str
    fence: int
    run: str


class PullRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The rig's view of the issue's pull request at its newest known head.

    Attributes:
        refusals: How often GitHub refused to merge this head.
    """

    number: int
    url: str
    head: str
    branch: str
    checks: Checks = "unknown"
    approved_by: str | None = None
    conflicting: bool = False
    closed: bool = False
    refusals: int = 0


class Blocked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why nobody gets the issue.

    Attributes:
        by: What it waits for, as owner/repo#12; for a cycle the circle from the issue back to itself.
        missing: Those of `by` that nothing moves: dependencies that are not found, sub-issues without the label.
        author: Who opened the pull request that holds it.
        asked_by: The character that asked the questions; empty for the rig's own rules.
    """

    why: Block
    by: list[str] = []
    missing: list[str] = []
    author: str = ""
    questions: list[str] = []
    asked_by: str = ""


class Issue(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One issue as the rig sees it.

    Attributes:
        fence: The highest fence ever handed out; the next claim gets one more.
        labelling: Which setting of the label started the work; the same one never starts it again.
        label_priority: What the labels said last; a person's priority stands until they say something else.
        judge: The character that still has to say whether the issue is clear enough.
        asked: Whether questions were ever asked.
        branched: The fence under which the branch was last reported.
        authors: Agents that wrote code for the pull request; they never review it.
        runs: Every attempt that wrote code, for the merge commit's trailers.
        strikes: Failed attempts at the current piece of work.
        rework: Why the author has to go on, and with what words.
        human_ok: The head at which a person opened the human gate.
        human_evidence: Digests of what the open human gate is about.
        human_approved: Digests of everything that a person has let through.
        carried: Heads from before, since which the rig only merged the base into the branch.
        waits_for_people: Whether what the gate waits for is a person's to give.
        waits_for_ci: Whether the gate waits for a check to report or to end.
        failures: How often each class of failure happened; only a person's decision starts the count anew.
        brake: What stopped the rig here, while a person is asked.
        parked: Whoever had to leave the work for something more urgent; it goes on with it first.
        deploys: What has to happen to the merged commit before the issue is done, by the policy at the merge.
        deployed: How each of these went last, and in which try.
        heard: Reviews by people outside the rig that were made rework of.
    """

    status: Status = "new"
    repository_id: int = 0
    repository: str = ""
    number: int = 0
    title: str = ""
    body: str = ""
    url: str = ""
    labels: list[str] = []
    priority: Priority = "normal"
    label_priority: Priority = "normal"
    stack: str = ""
    base: str = "main"
    blocked: Blocked | None = None
    judge: str = ""
    asked: bool = False
    attempt: int = 1
    fence: int = 0
    labelling: int = 0
    branched: int = 0
    holder: Holder | None = None
    authors: list[str] = []
    runs: list[str] = []
    last_author: str | None = None
    struck: list[str] = []
    strikes: int = 0
    evidence: str = ""
    branch: str = ""
    pull_request: PullRequest | None = None
    rework: Why | None = None
    feedback: str = ""
    comments: list[Comment] = []
    reviews: int = 0
    ci_failures: int = 0
    waiting_for: list[str] = []
    human_gate: list[str] = []
    human_ok: str | None = None
    human_evidence: list[str] = []
    human_approved: list[str] = []
    carried: list[str] = []
    waits_for_people: bool = False
    waits_for_ci: bool = False
    escalation: str = ""
    brake: str = ""
    failures: dict[str, int] = {}
    parked: str | None = None
    heard: list[str] = []
    merged: str | None = None
    deploys: list[Step] = []
    deployed: dict[str, str] = {}

    @property
    def key(self) -> str:
        """The issue as people write it: owner/repo#12."""
        return f"{self.repository}#{self.number}"

    @property
    def stream(self) -> str:
        return stream_of(self.repository_id, self.number)


def stream_of(repository_id: int, number: int) -> str:
    """The stream of an issue, by GitHub's numeric repository id, for repositories get renamed."""
    return f"issue-{repository_id}-{number}"


def opinion(author: str, head: str, words: str) -> str:
    """Names what somebody outside the rig said in a review, so that it is heard once."""
    return f"{author}@{head[:12]}:{crc32(words.encode()):08x}"


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Work that waits for somebody; `only` names the one character that may have it, if any."""

    kind: Kind
    role: OfferRole
    stack: str
    excluded: list[str]
    preferred: str | None
    avoided: list[str]
    only: str | None = None


def offer(issue: Issue) -> Offer | None:
    """What `issue` needs next from an agent, or None while somebody has it or nothing is needed.

    The author of a pull request never reviews it. Rework prefers the author (affinity); after a strike another
    agent is preferred, but nobody is excluded for it.
    """
    if issue.holder is not None:
        return None
    pull = issue.pull_request
    if issue.status == "in_review" and pull and pull.checks == "passed" and pull.approved_by is None:
        return Offer(
            kind="review",
            role="review",
            stack="",
            excluded=issue.authors,
            preferred=None,
            avoided=issue.struck,
        )
    if issue.status == "queued" and issue.judge and pull is None:
        return Offer(
            kind="verify",
            role="review",
            stack="",
            excluded=[],
            preferred=None,
            avoided=[],
            only=issue.judge,
        )
    if issue.status in ("queued", "changes_requested"):
        again = pull is not None
        first = issue.parked or (issue.last_author if again else None)
        return Offer(
            kind="rework" if again else "implement",
            role="dev",
            stack=issue.stack,
            excluded=[],
            preferred=first if first not in issue.struck else None,
            avoided=issue.struck,
        )
    return None


def pull_off_train(issue: Issue) -> PullRequest | None:
    """The open pull request of `issue`, unless it is merged or being merged."""
    pull = issue.pull_request
    over = pull is None or pull.closed or issue.merged is not None or issue.status == "merging"
    return None if over else pull


def in_work(issue: Issue) -> bool:
    """Whether `issue` counts against its repository's limit: somebody works on it, or its pull request is open."""
    if issue.holder is not None and issue.holder.kind != "verify":
        return True
    pull = issue.pull_request
    return pull is not None and not pull.closed and issue.status not in ("queued", "blocked", "done", "cancelled")
