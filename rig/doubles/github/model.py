"""What GitHub remembers: plain records without behaviour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rig.doubles.github.rollouts import Deployment, WorkflowRun

Json = dict[str, Any]
Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")
ZERO = "0" * 40


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


@dataclass
class User:
    id: int
    login: str
    name: str
    kind: Literal["User", "Bot", "Organization"] = "User"
    public_email: str | None = None

    @property
    def email(self) -> str:
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass
class App:
    id: int
    slug: str
    name: str
    owner: User
    public_key: str
    permissions: dict[str, str]
    created_at: datetime = field(default_factory=now)


@dataclass
class Installation:
    id: int
    app: App
    account: User
    created_at: datetime = field(default_factory=now)


@dataclass
class Token:
    user: User
    installation: Installation | None = None
    repositories: frozenset[int] | None = None
    permissions: dict[str, str] | None = None
    expires_at: datetime | None = None


@dataclass
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass
class Comment:
    id: int
    user: User
    body: str
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class IssueEvent:
    id: int
    kind: str
    actor: User
    label: Label | None = None
    commit_id: str | None = None
    detail: Json = field(default_factory=dict[str, Any])
    created_at: datetime = field(default_factory=now)


@dataclass
class Issue:
    id: int
    number: int
    title: str
    body: str | None
    user: User
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    labels: list[Label] = field(default_factory=list[Label])
    assignees: list[User] = field(default_factory=list[User])
    comments: list[Comment] = field(default_factory=list[Comment])
    events: list[IssueEvent] = field(default_factory=list[IssueEvent])
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    closed_at: datetime | None = None
    closed_by: User | None = None
    pull: PullRequest | None = None
    sub_issues: list[Issue] = field(default_factory=lambda: list[Issue]())
    blocked_by: list[Issue] = field(default_factory=lambda: list[Issue]())


@dataclass
class Review:
    id: int
    user: User
    body: str
    state: str
    commit_id: str
    submitted_at: datetime | None = None


@dataclass
class ReviewComment:
    id: int
    user: User
    body: str
    path: str
    diff_hunk: str
    commit_id: str
    original_commit_id: str
    side: str
    line: int | None
    original_line: int | None
    review: Review
    reply_to: int | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class Thread:
    id: int
    comments: list[ReviewComment]
    resolved_by: User | None = None
    outdated: bool = False

    @property
    def root(self) -> ReviewComment:
        return self.comments[0]


@dataclass
class Stats:
    commits: int = 0
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0


@dataclass
class PullRequest:
    id: int
    issue: Issue
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    stats: Stats = field(default_factory=Stats)
    merged_at: datetime | None = None
    merged_by: User | None = None
    merge_sha: str | None = None
    mergeable: bool | None = None
    mergeable_check: asyncio.Task[None] | None = None
    reviews: list[Review] = field(default_factory=list[Review])
    threads: list[Thread] = field(default_factory=list[Thread])
    queue_entry: int | None = None

    @property
    def number(self) -> int:
        return self.issue.number

    @property
    def is_open(self) -> bool:
        return self.issue.state == "open"


@dataclass
class Status:
    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: User
    created_at: datetime = field(default_factory=now)


@dataclass
class CheckSuite:
    id: int
    app: App
    head_sha: str
    head_branch: str | None
    before: str | None = None
    status: str = "queued"
    conclusion: str | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class CheckRun:
    id: int
    suite: CheckSuite
    name: str
    status: str = "queued"
    conclusion: str | None = None
    details_url: str | None = None
    external_id: str = ""
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    log: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def head_sha(self) -> str:
        return self.suite.head_sha


@dataclass
class Protection:
    """What a protected branch asks of a pull request before it may land, and how long its queue waits for checks."""

    required_checks: list[str] = field(default_factory=list[str])
    required_reviews: int = 0
    strict: bool = False
    merge_queue: bool = False
    queue_seconds: float = 30
    restrict_pushes: bool = False
    code_owners: bool = False


@dataclass
class Delivery:
    id: int
    guid: str
    event: str
    action: str | None
    payload: bytes
    headers: dict[str, str]
    repository_id: int | None
    redelivery: bool = False
    status: str = "pending"
    status_code: int = 0
    duration: float = 0.0
    response: str = ""
    delivered_at: datetime = field(default_factory=now)


@dataclass
class Hook:
    """A webhook; one of an App has no repository and sees every one the App is installed on."""

    id: int
    url: str
    secret: str
    events: list[str]
    repository: Repository | None = None
    app: App | None = None
    active: bool = True
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    created_at: datetime = field(default_factory=now)


@dataclass
class Repository:
    id: int
    owner: User
    name: str
    path: Path
    private: bool = False
    default_branch: str = "main"
    description: str | None = None
    permissions: dict[str, Role] = field(default_factory=dict[str, Role])
    labels: dict[str, Label] = field(default_factory=dict[str, Label])
    issues: dict[int, Issue] = field(default_factory=dict[int, Issue])
    refs: dict[str, str] = field(default_factory=dict[str, str])
    statuses: list[Status] = field(default_factory=list[Status])
    suites: list[CheckSuite] = field(default_factory=list[CheckSuite])
    runs: list[CheckRun] = field(default_factory=list[CheckRun])
    deployments: list[Deployment] = field(default_factory=list[Deployment])
    workflow_runs: list[WorkflowRun] = field(default_factory=list[WorkflowRun])
    protections: dict[str, Protection] = field(default_factory=dict[str, Protection])
    delete_branch_on_merge: bool = False
    actions_output: bool = True
    created_at: datetime = field(default_factory=now)
    pushed_at: datetime = field(default_factory=now)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    queueing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def pulls(self) -> list[PullRequest]:
        return [issue.pull for issue in self.issues.values() if issue.pull]

    def branch(self, name: str) -> str | None:
        return self.refs.get(f"refs/heads/{name}")
