"""What one read of a pull request says, bound to one head SHA: the facts that the gate decides on."""

from __future__ import annotations

from typing import Literal

import msgspec


class Check(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: str = "check_run"
    state: Literal["success", "failure", "pending", "skipped"]
    required: bool = False


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """The last opinion of somebody who may write; `bot` is an App, `ours` what the rig itself posted."""

    author: str
    state: str
    head_sha: str
    body: str = ""
    bot: bool = False
    ours: bool = False


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    resolved: bool
    outdated: bool = False
    path: str = ""
    line: int | None = None
    author: str = ""
    body: str = ""
    ours: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A changed file; `patch` has hunks only and is None for a binary file or where GitHub shows none."""

    path: str
    previous_path: str | None = None
    status: str = "modified"
    additions: int = 0
    patch: str | None = None
    blob: str = ""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest at base and head, None where it is not; `readable` unless it is no text or too large."""

    path: str
    previous_path: str | None = None
    before: str | None = None
    after: str | None = None
    readable: bool = True


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull request changes, and what its base says about such changes.

    Attributes:
        complete: Whether every changed file is in `files`.
        contents: The changed manifests of package managers.
        code_owners: The text of the base's CODEOWNERS; empty where there is none.
        accounts: The accounts behind teams and addresses in it; None where GitHub does not tell.
        mistake: Why the base's `.rig-agent.yaml` or CODEOWNERS cannot be read; empty where they can.
    """

    files: list[Change] = []
    complete: bool = True
    contents: list[Content] = []
    code_owners: str = ""
    accounts: dict[str, list[str] | None] = {}
    mistake: str = ""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request at `head_sha`; `closes` are issues as owner/repo#12, `reviews` each writer's last opinion.

    Attributes:
        base_sha: The newest commit of the base branch.
        behind: The base has commits that the head lacks; None where that could not be read.
        merge_queue: The base lands pull requests through GitHub's own queue only.
        required_checks: Names that the base demands, whether or not they have reported.
        required_approvals: How many approvals on GitHub the base demands.
        requires_code_owners: The base demands an approval by an owner of each changed path.
        requires_up_to_date: The base demands that the head contains it.
        changes: What it changes; None as long as nobody asked.
        written_by: Accounts that wrote its commits, merges left out.
        self_review: The rig's reviewer has the author's account, so that GitHub takes no approval of it.
    """

    repository_id: int
    repository: str
    number: int
    url: str = ""
    title: str = ""
    author: str
    written_by: list[str] = []
    state: Literal["open", "closed", "merged"]
    draft: bool = False
    fork: bool = False
    head_sha: str
    head_ref: str
    base_ref: str
    base_sha: str = ""
    behind: bool | None = None
    files_changed: int = 0
    mergeable: Literal["mergeable", "conflicting", "unknown"] = "unknown"
    labels: list[str] = []
    closes: list[str] = []
    checks: list[Check] = []
    checks_state: Literal["success", "failure", "pending", "none"] = "none"
    reviews: list[Review] = []
    threads: list[Thread] = []
    merged_sha: str | None = None
    merged_by: str | None = None
    log_tail: str | None = None
    merge_queue: bool = False
    in_merge_queue: bool = False
    required_checks: list[str] = []
    required_approvals: int = 0
    requires_code_owners: bool = False
    requires_up_to_date: bool = False
    self_review: bool = False
    changes: Changes | None = None
