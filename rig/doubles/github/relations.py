"""What ties issues together: sub-issues and dependencies, each with its webhook."""

from __future__ import annotations

from rig.doubles.github.errors import not_found, unprocessable
from rig.doubles.github.issues import closing_references
from rig.doubles.github.model import Issue, Json, Repository, User
from rig.doubles.github.shapes import issues as shapes
from rig.doubles.github.shapes import repos
from rig.doubles.github.state import World, touch


def find(world: World, identity: object) -> Issue:
    """The issue of GitHub's number; a pull request is never one."""
    for repo in world.repositories.values():
        for issue in repo.issues.values():
            if issue.id == identity and issue.pull is None:
                return issue
    raise not_found()


def parent_of(world: World, child: Issue) -> Issue | None:
    every = (issue for repo in world.repositories.values() for issue in repo.issues.values())
    return next((issue for issue in every if any(one is child for one in issue.sub_issues)), None)


def add_sub_issue(world: World, parent: Issue, child: Issue, actor: User, replace: bool = False) -> None:
    """A child has one parent, and nobody is their own ancestor."""
    known = parent_of(world, child)
    if known is not None and not replace:
        raise unprocessable(message="Sub issue may only have one parent")
    above: Issue | None = parent
    while above is not None:
        if above is child:
            raise unprocessable(message="Sub-issue cannot be an ancestor of its parent")
        above = parent_of(world, above)
    if known is not None:
        remove_sub_issue(world, known, child, actor)
    parent.sub_issues.append(child)
    _announce_family(world, parent, child, "sub_issue_added", actor)


def remove_sub_issue(world: World, parent: Issue, child: Issue, actor: User) -> None:
    if not any(one is child for one in parent.sub_issues):
        raise not_found()
    parent.sub_issues = [one for one in parent.sub_issues if one is not child]
    _announce_family(world, parent, child, "sub_issue_removed", actor)


def _announce_family(world: World, parent: Issue, child: Issue, action: str, actor: User) -> None:
    touch(parent)
    home, other = world.repository_of(parent), world.repository_of(child)
    world.webhooks.emit(
        home,
        "sub_issues",
        actor,
        action=action,
        sub_issue_id=child.id,
        sub_issue=shapes.issue(world, other, child),
        sub_issue_repo=repos.repository(world, other),
        parent_issue_id=parent.id,
        parent_issue=shapes.issue(world, home, parent),
    )


def add_blocker(world: World, issue: Issue, blocker: Issue, actor: User) -> None:
    if blocker is issue or any(one is blocker for one in issue.blocked_by):
        raise unprocessable(message="The dependency exists already or leads from the issue to itself.")
    issue.blocked_by.append(blocker)
    _announce_blocker(world, issue, blocker, "blocked_by_added", actor)


def remove_blocker(world: World, issue: Issue, blocker: Issue, actor: User) -> None:
    if not any(one is blocker for one in issue.blocked_by):
        raise not_found()
    issue.blocked_by = [one for one in issue.blocked_by if one is not blocker]
    _announce_blocker(world, issue, blocker, "blocked_by_removed", actor)


def _announce_blocker(world: World, issue: Issue, blocker: Issue, action: str, actor: User) -> None:
    touch(issue)
    home, other = world.repository_of(issue), world.repository_of(blocker)
    world.webhooks.emit(
        home,
        "issue_dependencies",
        actor,
        action=action,
        blocked_issue_id=issue.id,
        blocked_issue=shapes.issue(world, home, issue),
        blocking_issue_id=blocker.id,
        blocking_issue=shapes.issue(world, other, blocker),
        blocking_issue_repo=repos.repository(world, other),
        organization=_organization(world, home),
    )


def _organization(world: World, home: Repository) -> Json:
    """Dependencies are announced with an organization always, as the published payload demands."""
    url = f"{world.api}/orgs/{home.owner.login}"
    links = ("repos", "events", "hooks", "issues", "members", "public_members")
    return {
        "login": home.owner.login,
        "id": home.owner.id,
        "node_id": f"O_{home.owner.id}",
        "url": url,
        "avatar_url": f"{world.url}/{home.owner.login}.png",
        "description": None,
        **{f"{name}_url": f"{url}/{name}" for name in links},
    }


def closers(world: World, issue: Issue) -> list[tuple[Repository, Issue]]:
    """The pull requests, open or not, whose description closes the issue."""
    return [
        (home, pull.issue)
        for home in world.repositories.values()
        for pull in home.pulls
        if pull.base_ref == home.default_branch
        and any(one is issue for _, one in closing_references(world, home, pull.issue.body or ""))
    ]
