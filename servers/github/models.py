"""What the tools answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from servers.github.relation_models import Relations

Permission = Literal["admin", "maintain", "write", "triage", "read", "none"]
PullRequestState = Literal["open", "closed", "merged"]
CheckState = Literal["success", "failure", "pending", "skipped"]
ChecksState = Literal["success", "failure", "pending", "none"]
Verdict = Literal["approve", "request_changes", "comment"]


class RepositoryAnswer(BaseModel):
    id: int = Field(description="GitHub's number, which survives renaming")
    full_name: str
    default_branch: str
    private: bool
    clone_url: str


class Labeller(BaseModel):
    login: str
    permission: Permission = Field(description="What that account may do on the repository")
    setting: int = Field(description="Numbers the settings of labels: a later one has a higher number")


class IssueSummary(BaseModel):
    repository: str
    number: int
    title: str
    url: str
    state: Literal["open", "closed"]
    author: str
    labels: list[str]
    updated_at: datetime


class Issue(IssueSummary):
    repository_id: int
    default_branch: str = Field(description="The repository's")
    body: str
    labeller: Labeller | None = Field(description="Who set the asked label last; null where it is not set")
    relations: Relations | None = Field(default=None, description="Null where they were not asked for")


class IssueList(BaseModel):
    issues: list[IssueSummary]


class CreatedIssue(BaseModel):
    number: int
    url: str
    created: bool = Field(description="False where an issue of the same key was there already")


class UpdatedIssue(BaseModel):
    number: int
    state: Literal["open", "closed"]
    changed: bool = Field(description="False where it was so already")


class Comment(BaseModel):
    id: int
    url: str
    created: bool = Field(description="False where a comment of the same key was there already")


class LabelsAnswer(BaseModel):
    labels: list[str] = Field(description="All labels of the issue afterwards")


class PullRequestSummary(BaseModel):
    repository: str
    number: int
    title: str
    url: str
    state: PullRequestState
    draft: bool
    author: str
    head_ref: str
    head_sha: str
    base_ref: str
    updated_at: datetime


class PullRequest(PullRequestSummary):
    body: str
    labels: list[str]
    base_sha: str
    additions: int
    deletions: int
    files_changed: int
    merged_sha: str | None


class PullRequestList(BaseModel):
    pull_requests: list[PullRequestSummary]


class OpenedPullRequest(BaseModel):
    number: int
    url: str
    head_sha: str
    created: bool = Field(description="False where the branch had an open pull request already")


class UpdatedBranch(BaseModel):
    updated: bool = Field(description="False where the head already contains the base")
    message: str


class Diff(BaseModel):
    diff: str = Field(description="Unified diff")
    truncated: bool = Field(description="True where it is longer than shown; ask for single paths")


class ChangedFile(BaseModel):
    path: str
    previous_path: str | None = Field(description="Where a renamed file was before")
    status: str = Field(description="added, removed, modified, renamed, copied, changed or unchanged")
    additions: int
    deletions: int


class ChangedFiles(BaseModel):
    files: list[ChangedFile]
    truncated: bool = Field(description="True where there are more files than shown")


class FileAnswer(BaseModel):
    path: str
    content: str
    sha: str = Field(description="Of the blob")


class Check(BaseModel):
    name: str
    kind: Literal["check_run", "status"]
    state: CheckState
    url: str | None
    required: bool | None = Field(description="Whether the base branch demands it; null where not known")


class Checks(BaseModel):
    sha: str
    state: ChecksState
    checks: list[Check]


class Review(BaseModel):
    author: str
    state: Literal["approved", "changes_requested", "commented"]
    head_sha: str = Field(description="The commit that was reviewed")
    bot: bool = Field(default=False, description="Whether an App said it")
    ours: bool = Field(default=False, description="Whether the rig posted it")
    body: str = Field(description="Up to 4,000 characters")


class Thread(BaseModel):
    id: str
    resolved: bool
    outdated: bool
    path: str
    line: int | None
    author: str
    ours: bool = Field(description="Whether it began with a remark that the rig posted")
    body: str = Field(description="The first comment, up to 4,000 characters")


class Snapshot(BaseModel):
    """A pull request as the merge gate sees it, bound to one head."""

    repository_id: int
    repository: str
    number: int
    url: str
    title: str
    body: str
    author: str
    written_by: list[str] = Field(
        default_factory=list[str], description="Accounts that wrote the last 100 commits, merges left out"
    )
    state: PullRequestState
    draft: bool
    head_sha: str
    head_ref: str
    fork: bool = Field(description="Whether the head branch is in another repository")
    base_ref: str
    base_sha: str = Field(description="The newest commit of the base branch")
    behind: bool | None = Field(
        default=None, description="Whether the base has commits that the head lacks; null where not known"
    )
    mergeable: Literal["mergeable", "conflicting", "unknown"]
    labels: list[str]
    closes: list[str] = Field(description="Issues that merging closes, as owner/repo#12")
    checks: list[Check]
    checks_state: ChecksState
    reviews: list[Review] = Field(description="Last opinion of each person who may write to the repository")
    threads: list[Thread]
    files_changed: int
    merged_sha: str | None
    merged_by: str | None
    merge_queue: bool = Field(default=False, description="Whether the base lands only what its queue has taken")
    in_merge_queue: bool
    required_checks: list[str] = Field(
        default_factory=list[str], description="What the base demands, reported or not"
    )
    required_approvals: int = Field(default=0, description="Approvals that the base demands")
    requires_code_owners: bool = Field(default=False, description="Whether the base demands its owners' approval")
    requires_up_to_date: bool = Field(default=False, description="Whether the head must contain the base")
    self_review: bool = Field(
        default=False, description="Whether the rig's reviewer is the author, so that GitHub takes no approval of it"
    )
    log_tail: str | None = Field(description="Output of failing checks, the last 4,000 characters")


class LineComment(BaseModel):
    path: str = Field(description="A file that the pull request changes", min_length=1, max_length=1000)
    line: int = Field(description="Line number in the file at the head", ge=1)
    body: str = Field(description="Markdown", min_length=1, max_length=10_000)


class PostedReview(BaseModel):
    id: int
    url: str
    posted_as: Verdict = Field(description="comment where GitHub refuses a verdict of the author on its own work")
    folded: int = Field(description="Line comments outside the diff that went into the body instead")
    created: bool = Field(description="False where a review of the same key was there already")


class ThreadAnswer(BaseModel):
    id: str
    resolved: bool


class Reply(BaseModel):
    id: str
    url: str
    created: bool = Field(description="False where a reply of the same key was there already")


class StatusAnswer(BaseModel):
    context: str
    state: str
    created: bool = Field(description="False where the commit had this very status already")


class Merge(BaseModel):
    merged: bool
    sha: str = Field(description="The commit on the base branch")


class CleanMerge(BaseModel):
    clean: bool = Field(description="Whether the commit is the head with the base merged in, and nothing else")


class Queued(BaseModel):
    queued: bool
    position: int | None


class Dequeued(BaseModel):
    dequeued: bool = Field(description="False where it was in no queue")


class Delivery(BaseModel):
    id: int
    guid: str = Field(description="The same for every redelivery")
    hook_id: int | None = Field(description="The repository's webhook; null for the App's")
    event: str
    action: str | None
    status: str
    status_code: int
    delivered_at: datetime
    redelivery: bool


class Deliveries(BaseModel):
    deliveries: list[Delivery]


class Redelivery(BaseModel):
    accepted: bool


class Deployed(BaseModel):
    id: int
    environment: str
    sha: str = Field(description="The commit asked about, or a later one that contains it")
    state: str = Field(description="Of the newest status: success, failure, error, in_progress, queued or pending")
    url: str = Field(description="Where it runs, or its log")


class Ran(BaseModel):
    id: int
    attempt: int
    name: str = Field(description="Of the workflow")
    sha: str = Field(description="The commit asked about, or a later one that contains it")
    conclusion: str | None = Field(description="null until it is over")
    url: str


class Rollout(BaseModel):
    deployments: list[Deployed]
    runs: list[Ran]


class GitCredential(BaseModel):
    clone_url: str
    username: str
    password: str
    expires_at: datetime | None
