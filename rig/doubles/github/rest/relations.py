"""REST: sub-issues and dependencies."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route

from rig.doubles.github import relations
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import not_found
from rig.doubles.github.model import Issue, Json
from rig.doubles.github.shapes import issues as shapes

REPO = "/repos/{owner}/{repo}"
ONE = REPO + "/issues/{number:int}"


def _described(call: Call, issue: Issue) -> Json:
    return shapes.full_issue(call.world, call.world.repository_of(issue), issue)


def _listed(call: Call, found: Sequence[Issue]) -> Reply:
    seen = [issue for issue in found if call.viewer.may(call.world.repository_of(issue), "read")]
    return call.page(seen, lambda issue: _described(call, issue))


async def list_sub_issues(call: Call) -> Answer:
    return _listed(call, call.issue.sub_issues)


async def add_sub_issue(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    child = relations.find(call.world, call.body.get("sub_issue_id"))
    replace = bool(call.body.get("replace_parent"))
    relations.add_sub_issue(call.world, call.issue, child, actor, replace)
    return Reply(_described(call, call.issue), 201)


async def remove_sub_issue(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    child = relations.find(call.world, call.body.get("sub_issue_id"))
    relations.remove_sub_issue(call.world, call.issue, child, actor)
    return _described(call, call.issue)


async def get_parent(call: Call) -> Answer:
    parent = relations.parent_of(call.world, call.issue)
    if parent is None:
        raise not_found()
    return _described(call, parent)


async def list_blockers(call: Call) -> Answer:
    return _listed(call, call.issue.blocked_by)


async def add_blocker(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    blocker = relations.find(call.world, call.body.get("issue_id"))
    relations.add_blocker(call.world, call.issue, blocker, actor)
    return Reply(_described(call, call.issue), 201)


async def remove_blocker(call: Call) -> Answer:
    actor = call.require("triage", "issues")
    blocker = relations.find(call.world, int(call.param("id")))
    relations.remove_blocker(call.world, call.issue, blocker, actor)
    return _described(call, call.issue)


async def list_blocked(call: Call) -> Answer:
    every = (issue for repo in call.world.repositories.values() for issue in repo.issues.values())
    return _listed(call, [issue for issue in every if any(one is call.issue for one in issue.blocked_by)])


routes: list[Route] = [
    rest(ONE + "/sub_issues", "GET", list_sub_issues),
    rest(ONE + "/sub_issues", "POST", add_sub_issue),
    rest(ONE + "/sub_issue", "DELETE", remove_sub_issue),
    rest(ONE + "/parent", "GET", get_parent),
    rest(ONE + "/dependencies/blocked_by", "GET", list_blockers),
    rest(ONE + "/dependencies/blocked_by", "POST", add_blocker),
    rest(ONE + "/dependencies/blocked_by/{id:int}", "DELETE", remove_blocker),
    rest(ONE + "/dependencies/blocking", "GET", list_blocked),
]
