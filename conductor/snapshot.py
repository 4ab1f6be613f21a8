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
    author: str
    state: str
    head_sha: str


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    resolved: bool
    outdated: bool = False
    path: str = ""
    author: str = ""
    ours: bool = False


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request at `head_sha`; `closes` are issues as owner/repo#12, `reviews` each writer's last opinion."""

    repository_id: int
    repository: str
    number: int
    url: str = ""
    title: str = ""
    author: str
    state: Literal["open", "closed", "merged"]
    draft: bool = False
    fork: bool = False
    head_sha: str
    head_ref: str
    base_ref: str
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
