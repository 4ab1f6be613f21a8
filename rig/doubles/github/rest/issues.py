"""REST: issues, their comments, labels, assignees and events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.routing import Route

from rig.doubles.github import issues
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import forbidden, invalid, not_found, unprocessable
from rig.doubles.github.model import Comment, Issue, Json, Label
from rig.doubles.github.shapes import issues as shapes
from rig.doubles.github.shapes import people


async def list_issues(call: Call) -> Answer:
    wanted = [name.lower() for name in call.query("labels").split(",") if name]
    state, creator = call.query("state", "open"), call.query("creator")
    found = [
        issue
        for issue in call.repository.issues.values()
        if state in ("all", issue.state)
        and {*wanted} <= {label.name.lower() for label in issue.labels}
        and creator in ("", issue.user.login)
        and _since(call, issue)
    ]
    ordered = in_order(call, found)
    return call.page(ordered, lambda issue: shapes.issue(call.world, call.repository, issue))


def _since(call: Call, issue: Issue) -> bool:
    return issue.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ") >= call.query("since")


def in_order(call: Call, found: list[Issue]) -> list[Issue]:
    """Newest first unless asked otherwise, by creation or by update."""
    by_update = call.query("sort", "created") == "updated"

    def age(issue: Issue) -> tuple[datetime, int]:
        return issue.updated_at if by_update else issue.created_at, issue.number

    return sorted(found, key=age, reverse=call.query("direction", "desc") == "desc")


async def create_issue(call: Call) -> Answer:
    author = call.require("read", "issues")
    title = call.text("title", "Issue")
    may_label = call.viewer.may(call.repository, "triage")
    labels = label_names(call.body.get("labels")) if may_label else []
    body = call.body.get("body")
    made = issues.open_issue(call.world, call.repository, author, title, body, labels)
    if may_label and (logins := call.body.get("assignees")):
        issues.assign(call.world, call.repository, made, logins, author)
    return Reply(shapes.full_issue(call.world, call.repository, made), 201)


def label_names(value: Any) -> list[str]:
    """Labels as strings or as objects with a name, as the API takes either."""
    if not isinstance(value, list):
        raise_if_given(value, "labels")
        return []
    return [str(each["name"] if isinstance(each, dict) else each) for each in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def raise_if_given(value: object, field: str) -> None:
    if value is not None:
        raise invalid("Issue", field)


async def get_issue(call: Call) -> Answer:
    return shapes.full_issue(call.world, call.repository, call.issue)


async def edit_issue(call: Call) -> Answer:
    """Title, body and state for its author or a triager; labels and assignees for a triager."""
    issue, world, repo = call.issue, call.world, call.repository
    actor = call.require("read" if issue.user is call.viewer.user else "triage", "issues")
    issues.edit(world, repo, issue, actor, call.body.get("title"), call.body.get("body"))
    state = call.body.get("state")
    if state not in (None, "open", "closed"):
        raise invalid("Issue", "state")
    if state == "closed":
        issues.close(world, repo, issue, actor, call.body.get("state_reason") or "completed")
    elif state == "open":
        if issue.pull and issue.pull.merged_at:
            raise unprocessable("state cannot be changed. The pull request was merged.")
        issues.reopen(world, repo, issue, actor)
    if "labels" in call.body:
        call.require("triage")
        issues.set_labels(world, repo, issue, label_names(call.body["labels"]), actor)
    return shapes.full_issue(world, repo, issue)


async def list_comments(call: Call) -> Answer:
    issue, repo = call.issue, call.repository
    return call.page(issue.comments, lambda said: shapes.comment(call.world, repo, issue, said))


async def create_comment(call: Call) -> Answer:
    author, body = call.require("read"), call.text("body", "IssueComment")
    if len(body) > 65536:
        raise unprocessable(message="Body is too long (maximum is 65536 characters)")
    said = issues.comment(call.world, call.repository, call.issue, author, body)
    return Reply(shapes.comment(call.world, call.repository, call.issue, said), 201)


def _find_comment(call: Call) -> tuple[Issue, Comment]:
    wanted = int(call.param("id"))
    for issue in call.repository.issues.values():
        for said in issue.comments:
            if said.id == wanted:
                return issue, said
    raise not_found()


async def get_comment(call: Call) -> Answer:
    return shapes.comment(call.world, call.repository, *_find_comment(call))


async def edit_comment(call: Call) -> Answer:
    actor = call.require("read")
    issue, said = _find_comment(call)
    if said.user is not actor and not call.viewer.may(call.repository, "write"):
        raise forbidden()
    before, said.body = said.body, call.text("body", "IssueComment")
    changes: Json = {"body": {"from": before}}
    issues.announce_comment(call.world, call.repository, issue, said, "edited", actor, changes=changes)
    return shapes.comment(call.world, call.repository, issue, said)


async def delete_comment(call: Call) -> Answer:
    actor = call.require("read")
    issue, said = _find_comment(call)
    if said.user is not actor and not call.viewer.may(call.repository, "write"):
        raise forbidden()
    issue.comments.remove(said)
    issues.announce_comment(call.world, call.repository, issue, said, "deleted", actor)
    return Reply(status=204)


def _labels(call: Call) -> Reply:
    return call.page(call.issue.labels, lambda label: shapes.label(call.world, call.repository, label))


async def list_labels(call: Call) -> Answer:
    return _labels(call)


async def add_labels(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    issues.add_labels(call.world, call.repository, call.issue, label_names(call.body.get("labels")), actor)
    return _labels(call)


async def set_labels(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    issues.set_labels(call.world, call.repository, call.issue, label_names(call.body.get("labels")), actor)
    return _labels(call)


async def remove_label(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    issues.remove_label(call.world, call.repository, call.issue, call.param("name"), actor)
    return _labels(call)


async def remove_all_labels(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    issues.set_labels(call.world, call.repository, call.issue, [], actor)
    return Reply(status=204)


async def list_repository_labels(call: Call) -> Answer:
    found = list(call.repository.labels.values())
    return call.page(found, lambda label: shapes.label(call.world, call.repository, label))


def _find_label(call: Call) -> Label:
    if label := call.repository.labels.get(call.param("name").lower()):
        return label
    raise not_found()


async def get_repository_label(call: Call) -> Answer:
    return shapes.label(call.world, call.repository, _find_label(call))


async def create_repository_label(call: Call) -> Answer:
    call.require("write", "issues")
    name = call.text("name", "Label")
    if name.lower() in call.repository.labels:
        raise invalid("Label", "name", "already_exists")
    text = call.body.get("description")
    label = call.world.label(call.repository, name, call.body.get("color") or "ededed", text)
    return Reply(shapes.label(call.world, call.repository, label), 201)


async def edit_repository_label(call: Call) -> Answer:
    call.require("write", "issues")
    label = _find_label(call)
    label.color = call.body.get("color") or label.color
    label.description = call.body.get("description", label.description)
    return shapes.label(call.world, call.repository, label)


async def list_events(call: Call) -> Answer:
    return call.page(call.issue.events, lambda e: shapes.event(call.world, call.repository, e))


async def list_timeline(call: Call) -> Answer:
    """Events and comments together, oldest first."""
    issue, repo, world = call.issue, call.repository, call.world
    said = [
        shapes.comment(world, repo, issue, c) | {"event": "commented", "actor": people.user(world, c.user)}
        for c in issue.comments
    ]
    entries = [shapes.event(world, repo, each) for each in issue.events] + said
    ordered = sorted(entries, key=lambda entry: (entry["created_at"], entry["id"]))
    return call.page(ordered, lambda entry: entry)


async def assign(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    issues.assign(call.world, call.repository, call.issue, call.body.get("assignees") or [], actor)
    return Reply(shapes.full_issue(call.world, call.repository, call.issue), 201)


async def unassign(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    issues.unassign(call.world, call.repository, call.issue, call.body.get("assignees") or [], actor)
    return shapes.full_issue(call.world, call.repository, call.issue)


REPO = "/repos/{owner}/{repo}"
ONE = REPO + "/issues/{number:int}"
routes: list[Route] = [
    rest(REPO + "/issues", "GET", list_issues),
    rest(REPO + "/issues", "POST", create_issue),
    rest(REPO + "/issues/comments/{id:int}", "GET", get_comment),
    rest(REPO + "/issues/comments/{id:int}", "PATCH", edit_comment),
    rest(REPO + "/issues/comments/{id:int}", "DELETE", delete_comment),
    rest(ONE, "GET", get_issue),
    rest(ONE, "PATCH", edit_issue),
    rest(ONE + "/comments", "GET", list_comments),
    rest(ONE + "/comments", "POST", create_comment),
    rest(ONE + "/labels", "GET", list_labels),
    rest(ONE + "/labels", "POST", add_labels),
    rest(ONE + "/labels", "PUT", set_labels),
    rest(ONE + "/labels", "DELETE", remove_all_labels),
    rest(ONE + "/labels/{name:path}", "DELETE", remove_label),
    rest(ONE + "/events", "GET", list_events),
    rest(ONE + "/timeline", "GET", list_timeline),
    rest(ONE + "/assignees", "POST", assign),
    rest(ONE + "/assignees", "DELETE", unassign),
    rest(REPO + "/labels", "GET", list_repository_labels),
    rest(REPO + "/labels", "POST", create_repository_label),
    rest(REPO + "/labels/{name:path}", "GET", get_repository_label),
    rest(REPO + "/labels/{name:path}", "PATCH", edit_repository_label),
]
