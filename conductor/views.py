"""What people and pages read: issues, timelines, agents and costs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from conductor.around import Around, Rules, around
from conductor.issues.issue import Issue
from conductor.store.writer import connection_of
from servers.kit.database import Pool, load_queries
from servers.kit.errors import NotFound

SQL = load_queries(Path(__file__).with_name("views.sql"))
Costs = Literal["model", "repository", "issue"]


class IssueView(BaseModel):
    """An issue at a glance."""

    issue: str = Field(description="owner/repo#12")
    title: str
    state: str
    priority: str
    url: str
    holder: str | None = Field(description="Agent or person that has it now")
    step: str | None = Field(description="What the holder says it is doing")
    waits_for: list[str] = Field(description="Why it does not go on, in sentences")
    pull_request: int | None
    head: str | None
    attempt: int
    updated_at: datetime


class EventView(BaseModel):
    """One event of the log."""

    position: int
    issue: str | None
    type: str
    data: dict[str, Any]
    actor: str
    recorded_at: datetime


class IssueDetail(IssueView):
    """An issue with everything that happened to it."""

    body: str
    branch: str
    reviews: int
    timeline: list[EventView]


class CostView(BaseModel):
    """What an agent cost with a model, in a repository or on an issue."""

    agent: str
    model: str = ""
    repository: str = ""
    issue: str = ""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    usd: float


class QualityView(BaseModel):
    """How an agent's merged work was scored, from 1 to 5."""

    agent: str
    judged: int = Field(description="How many pieces of work were scored")
    scores: dict[str, float] = Field(description="The mean by criterion")


async def list_issues(
    pool: Pool, rules: Rules, repository: str | None = None, state: str | None = None, limit: int = 100
) -> list[IssueView]:
    """Issues, newest change first."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(SQL["issues"], repository, state, limit)
    issues = [msgspec.convert(row["data"], Issue) for row in rows]
    near = await around(pool, issues, rules)
    return [IssueView.model_validate(_glance(row, issue, near)) for row, issue in zip(rows, issues, strict=True)]


async def get_issue(pool: Pool, rules: Rules, stream: str) -> IssueDetail:
    """One issue with its timeline."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(SQL["issue"], stream)
        if row is None:
            raise NotFound(f"There is no issue in {stream}.")
        issue = msgspec.convert(row["data"], Issue)
        events = await connection.fetch(SQL["timeline"], stream, issue.repository, issue.number)
    timeline = [_event(event) for event in events]
    more = {"body": issue.body, "branch": issue.branch, "reviews": issue.reviews, "timeline": timeline}
    near = await around(pool, [issue], rules)
    return IssueDetail.model_validate(_glance(row, issue, near) | more)


async def events_after(pool: Pool, position: int, limit: int = 500) -> list[EventView]:
    """The log after `position`; no event ever appears behind one that was read."""
    async with connection_of(pool) as connection:
        return [_event(row) for row in await connection.fetch(SQL["events_after"], position, limit)]


async def last_position(pool: Pool) -> int:
    """Where the log ends."""
    async with connection_of(pool) as connection:
        return await connection.fetchval(SQL["last_position"])


async def get_costs(pool: Pool, days: int, by: Costs = "model") -> list[CostView]:
    """Tokens and dollars by agent, and by model, repository or issue, over the last `days`."""
    async with connection_of(pool) as connection:
        rows = [dict(row.items()) for row in await connection.fetch(SQL["costs"], days, by)]
    return [CostView.model_validate(row | {by: row.pop("key")}) for row in rows]


async def get_quality(pool: Pool, days: int) -> list[QualityView]:
    """How merged work was scored over the last `days`, by who wrote it."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(SQL["quality"], days)
    found: dict[str, QualityView] = {}
    for agent, criterion, mean, judged in rows:
        view = found.setdefault(agent, QualityView(agent=agent, judged=judged, scores={}))
        view.scores[criterion] = round(mean, 2)
    return list(found.values())


def _glance(row: Any, issue: Issue, near: Around) -> dict[str, Any]:
    return {
        "issue": issue.key,
        "title": issue.title,
        "state": issue.status,
        "priority": issue.priority,
        "url": issue.url,
        "holder": issue.holder.agent if issue.holder else None,
        "step": row["step"],
        "waits_for": near.waits_for(issue),
        "pull_request": issue.pull_request.number if issue.pull_request else None,
        "head": issue.pull_request.head if issue.pull_request else None,
        "attempt": issue.attempt,
        "updated_at": row["updated_at"],
    }


def _key(row: Any) -> str | None:
    return f"{row['repository']}#{row['number']}" if row["repository"] else None


def _event(row: Any) -> EventView:
    issue = _key(row) or row["data"].get("issue") or None
    return EventView(
        position=row["position"],
        issue=issue,
        type=row["type"],
        data=row["data"],
        actor=row["actor"],
        recorded_at=row["recorded_at"],
    )
