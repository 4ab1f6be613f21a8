"""What can happen to an issue, each with its event and its webhook."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rig.doubles.github.errors import not_found
from rig.doubles.github.model import (
    Comment,
    Issue,
    IssueEvent,
    Json,
    Label,
    PullRequest,
    Repository,
    User,
    now,
)
from rig.doubles.github.shapes import issues as shapes
from rig.doubles.github.shapes import people, pulls
from rig.doubles.github.state import World, next_number, touch

CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:([\w.-]+/[\w.-]+))?#(\d+)\b", re.IGNORECASE)


def new_issue(world: World, repo: Repository, author: User, title: str, body: str | None) -> Issue:
    made = Issue(world.next_id(), next_number(repo), title, body, author)
    repo.issues[made.number] = made
    return made


def open_issue(
    world: World, repo: Repository, author: User, title: str, body: str | None, labels: Iterable[str] = ()
) -> Issue:
    made = new_issue(world, repo, author, title, body)
    made.labels = [world.label(repo, name) for name in labels]
    for label in made.labels:
        record(world, made, "labeled", author, label=label)
    announce(world, repo, made, "opened", author)
    for label in made.labels:
        announce(world, repo, made, "labeled", author, label=shapes.label(world, repo, label))
    return made


def record(
    world: World,
    issue: Issue,
    kind: str,
    actor: User,
    *,
    label: Label | None = None,
    commit_id: str | None = None,
    detail: Json | None = None,
) -> None:
    issue.events.append(IssueEvent(world.next_id(), kind, actor, label, commit_id, detail or {}))
    touch(issue)


def announce(world: World, repo: Repository, issue: Issue, action: str, sender: User, **fields: object) -> None:
    """The issues webhook, or the pull request's own where the issue is one."""
    if issue.pull:
        announce_pull(world, repo, issue.pull, action, sender, **fields)
    else:
        described = shapes.issue(world, repo, issue)
        world.webhooks.emit(repo, "issues", sender, action=action, issue=described, **fields)


def announce_pull(
    world: World, repo: Repository, pull: PullRequest, action: str, sender: User, **fields: object
) -> None:
    described = pulls.pull(world, repo, pull)
    number = pull.number
    world.webhooks.emit(repo, "pull_request", sender, action=action, number=number, pull_request=described, **fields)


def add_labels(world: World, repo: Repository, issue: Issue, names: Iterable[str], actor: User) -> None:
    for name in names:
        label = world.label(repo, name)
        if label not in issue.labels:
            issue.labels.append(label)
            record(world, issue, "labeled", actor, label=label)
            announce(world, repo, issue, "labeled", actor, label=shapes.label(world, repo, label))


def remove_label(world: World, repo: Repository, issue: Issue, name: str, actor: User) -> None:
    label = repo.labels.get(name.lower())
    if label is None or label not in issue.labels:
        refusal = not_found()
        refusal.message = "Label does not exist"
        raise refusal
    issue.labels.remove(label)
    record(world, issue, "unlabeled", actor, label=label)
    announce(world, repo, issue, "unlabeled", actor, label=shapes.label(world, repo, label))


def set_labels(world: World, repo: Repository, issue: Issue, names: list[str], actor: User) -> None:
    wanted = {name.lower() for name in names}
    for label in [each for each in issue.labels if each.name.lower() not in wanted]:
        remove_label(world, repo, issue, label.name, actor)
    add_labels(world, repo, issue, names, actor)


def comment(world: World, repo: Repository, issue: Issue, author: User, body: str) -> Comment:
    said = Comment(world.next_id(), author, body)
    issue.comments.append(said)
    touch(issue)
    announce_comment(world, repo, issue, said, "created", author)
    return said


def announce_comment(
    world: World, repo: Repository, issue: Issue, said: Comment, action: str, sender: User, **fields: object
) -> None:
    world.webhooks.emit(
        repo,
        "issue_comment",
        sender,
        action=action,
        issue=shapes.issue(world, repo, issue),
        comment=shapes.comment(world, repo, issue, said),
        **fields,
    )


def close(
    world: World,
    repo: Repository,
    issue: Issue,
    actor: User,
    reason: str | None = "completed",
    commit_id: str | None = None,
) -> None:
    if issue.state == "closed":
        return
    issue.state, issue.closed_at, issue.closed_by = "closed", now(), actor
    issue.state_reason = None if issue.pull else reason
    record(world, issue, "closed", actor, commit_id=commit_id)
    announce(world, repo, issue, "closed", actor)


def reopen(world: World, repo: Repository, issue: Issue, actor: User) -> None:
    if issue.state == "open":
        return
    issue.state, issue.closed_at, issue.closed_by = "open", None, None
    issue.state_reason = None if issue.pull else "reopened"
    record(world, issue, "reopened", actor)
    announce(world, repo, issue, "reopened", actor)


def edit(world: World, repo: Repository, issue: Issue, actor: User, title: str | None, body: str | None) -> None:
    changes: Json = {}
    if title is not None and title != issue.title:
        changes["title"] = {"from": issue.title}
        record(world, issue, "renamed", actor, detail={"rename": {"from": issue.title, "to": title}})
        issue.title = title
    if body is not None and body != issue.body:
        changes["body"] = {"from": issue.body or ""}
        issue.body = body
    if changes:
        touch(issue)
        announce(world, repo, issue, "edited", actor, changes=changes)


def assign(world: World, repo: Repository, issue: Issue, logins: list[str], actor: User) -> None:
    for account in (world.find_user(login) for login in logins):
        if account not in issue.assignees:
            issue.assignees.append(account)
            record(world, issue, "assigned", actor, detail={"assignee": people.user(world, account)})
            announce(world, repo, issue, "assigned", actor, assignee=people.user(world, account))


def unassign(world: World, repo: Repository, issue: Issue, logins: list[str], actor: User) -> None:
    for account in [each for each in issue.assignees if each.login in logins]:
        issue.assignees.remove(account)
        record(world, issue, "unassigned", actor, detail={"assignee": people.user(world, account)})
        announce(world, repo, issue, "unassigned", actor, assignee=people.user(world, account))


def closing_references(world: World, repo: Repository, text: str) -> list[tuple[Repository, Issue]]:
    """The issues a text closes by keyword, each once, in order; a pull request is never one."""
    found: list[tuple[Repository, Issue]] = []
    for where, number in CLOSING.findall(text):
        home = world.repositories.get(where.lower()) if where else repo
        issue = home.issues.get(int(number)) if home else None
        if home and issue and issue.pull is None and (home, issue) not in found:
            found.append((home, issue))
    return found
