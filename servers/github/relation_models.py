"""What get_issue answers about an issue's relations."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from servers.kit.repository import FILE


class OtherIssue(BaseModel):
    repository: str
    number: int
    state: Literal["open", "closed"]
    labels: list[str]


class ClosingPullRequest(BaseModel):
    repository: str
    number: int
    author: str
    head_ref: str
    fork: bool = Field(description="Whether the head branch is in another repository")


class Remark(BaseModel):
    author: str
    body: str = Field(description="Up to 10,000 characters")
    ours: bool = Field(description="Whether the rig wrote it")
    trusted: bool = Field(description="Whether the author is an owner, member or collaborator")
    bot: bool


class Relations(BaseModel):
    """What an issue has to do with others."""

    sub_issues: list[OtherIssue] = Field(description="Up to 100")
    blocked_by: list[OtherIssue] = Field(description="Up to 100, as set on GitHub; what the text says is not read")
    pull_requests: list[ClosingPullRequest] = Field(description="Open ones that close the issue, up to 20")
    comments: list[Remark] = Field(description="The last 50, oldest first")
    templates: list[str] = Field(description="Texts of the repository's issue templates, up to 20")
    settings: str | None = Field(
        description=f"Text of {FILE} on the main branch, empty where there is none; null: read it with get_file"
    )
