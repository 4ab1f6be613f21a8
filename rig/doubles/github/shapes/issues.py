"""Issues, comments, labels and events as JSON."""

from __future__ import annotations

from rig.doubles.github.model import Comment, Issue, IssueEvent, Json, Label, Repository, stamp
from rig.doubles.github.shapes import people
from rig.doubles.github.shapes.repos import api_url
from rig.doubles.github.state import World


def label(world: World, repo: Repository, one: Label) -> Json:
    return {
        "id": one.id,
        "node_id": f"LA_{one.id}",
        "url": f"{api_url(world, repo)}/labels/{one.name}",
        "name": one.name,
        "color": one.color,
        "default": False,
        "description": one.description,
    }


def reactions(url: str) -> Json:
    names = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(names, 0)}


def html_url(world: World, repo: Repository, issue: Issue) -> str:
    return f"{world.url}/{repo.full_name}/{'pull' if issue.pull else 'issues'}/{issue.number}"


def issue(world: World, repo: Repository, one: Issue) -> Json:
    url = f"{api_url(world, repo)}/issues/{one.number}"
    assignees = [people.user(world, account) for account in one.assignees]
    shape: Json = {
        "url": url,
        "repository_url": api_url(world, repo),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": html_url(world, repo, one),
        "id": one.id,
        "node_id": f"I_{one.id}",
        "number": one.number,
        "title": one.title,
        "body": one.body,
        "user": people.user(world, one.user),
        "labels": [label(world, repo, each) for each in one.labels],
        "state": one.state,
        "state_reason": one.state_reason,
        "locked": False,
        "active_lock_reason": None,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": len(one.comments),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "closed_at": stamp(one.closed_at),
        "author_association": people.association(repo, one.user),
        "reactions": reactions(url),
        "performed_via_github_app": None,
    }
    if one.pull:
        shape |= {"draft": one.pull.draft, "pull_request": _pull_links(world, repo, one)}
    return shape


def full_issue(world: World, repo: Repository, one: Issue) -> Json:
    return issue(world, repo, one) | {"closed_by": people.maybe_user(world, one.closed_by)}


def _pull_links(world: World, repo: Repository, one: Issue) -> Json:
    page = html_url(world, repo, one)
    return {
        "url": f"{api_url(world, repo)}/pulls/{one.number}",
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "merged_at": stamp(one.pull.merged_at) if one.pull else None,
    }


def comment(world: World, repo: Repository, one: Issue, said: Comment) -> Json:
    url = f"{api_url(world, repo)}/issues/comments/{said.id}"
    return {
        "url": url,
        "html_url": f"{html_url(world, repo, one)}#issuecomment-{said.id}",
        "issue_url": f"{api_url(world, repo)}/issues/{one.number}",
        "id": said.id,
        "node_id": f"IC_{said.id}",
        "user": people.user(world, said.user),
        "created_at": stamp(said.created_at),
        "updated_at": stamp(said.updated_at),
        "author_association": people.association(repo, said.user),
        "body": said.body,
        "reactions": reactions(url),
        "performed_via_github_app": None,
    }


def event(world: World, repo: Repository, happened: IssueEvent) -> Json:
    base = api_url(world, repo)
    commit_url = f"{base}/commits/{happened.commit_id}" if happened.commit_id else None
    shape: Json = {
        "id": happened.id,
        "node_id": f"LE_{happened.id}",
        "url": f"{base}/issues/events/{happened.id}",
        "actor": people.user(world, happened.actor),
        "event": happened.kind,
        "commit_id": happened.commit_id,
        "commit_url": commit_url,
        "created_at": stamp(happened.created_at),
        "performed_via_github_app": None,
        **happened.detail,
    }
    if happened.label:
        shape["label"] = {"name": happened.label.name, "color": happened.label.color}
    return shape
