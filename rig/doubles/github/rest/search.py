"""REST: searching issues by the simple qualifiers."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from starlette.routing import Route

from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import invalid, unprocessable
from rig.doubles.github.model import Issue, Repository
from rig.doubles.github.rest.issues import in_order
from rig.doubles.github.shapes import issues as shapes
from rig.doubles.github.shapes import people

Test = Callable[[Repository, Issue], bool]


async def search_issues(call: Call) -> Answer:
    if not call.query("q").strip():
        raise invalid("Search", "q", "missing")
    tests = [_test(word) for word in _words(call.query("q"))]
    homes: dict[int, Repository] = {}
    found: list[Issue] = []
    for repo in call.world.repositories.values():
        if not call.viewer.may(repo, "read"):
            continue
        hits = [issue for issue in repo.issues.values() if all(test(repo, issue) for test in tests)]
        homes |= {issue.id: repo for issue in hits}
        found += hits
    reply = call.page(in_order(call, found), lambda i: shapes.issue(call.world, homes[i.id], i) | {"score": 1.0})
    body = {"total_count": len(found), "incomplete_results": False, "items": reply.body, "search_type": "lexical"}
    return Reply(body, headers=reply.headers)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise unprocessable("The search contains an unclosed quote", message="Validation Failed") from None


def _test(word: str) -> Test:
    negative, word = word.startswith("-"), word.removeprefix("-")
    qualifier, colon, value = word.partition(":")
    tests = QUALIFIERS.get(qualifier) if colon else None
    test = tests(value) if tests else _contains(word)
    return (lambda repo, issue: not test(repo, issue)) if negative else test


def _contains(word: str) -> Test:
    needle = word.lower()
    return lambda repo, issue: needle in issue.title.lower() or needle in (issue.body or "").lower()


def _is(value: str) -> Test:
    tests: dict[str, Test] = {
        "issue": lambda repo, issue: issue.pull is None,
        "pr": lambda repo, issue: issue.pull is not None,
        "pull-request": lambda repo, issue: issue.pull is not None,
        "open": lambda repo, issue: issue.state == "open",
        "closed": lambda repo, issue: issue.state == "closed",
        "merged": lambda repo, issue: issue.pull is not None and issue.pull.merged_at is not None,
        "unmerged": lambda repo, issue: issue.pull is not None and issue.pull.merged_at is None,
        "draft": lambda repo, issue: issue.pull is not None and issue.pull.draft,
        "public": lambda repo, issue: not repo.private,
        "private": lambda repo, issue: repo.private,
    }
    if value not in tests:
        raise unprocessable(f"is:{value} is not understood", message="Validation Failed")
    return tests[value]


def _in(value: str) -> Test:
    """Where the words are looked for; title and body are the default, so it narrows nothing here."""
    return lambda repo, issue: True


QUALIFIERS: dict[str, Callable[[str], Test]] = {
    "repo": lambda value: lambda repo, issue: repo.full_name.lower() == value.lower(),
    "org": lambda value: lambda repo, issue: repo.owner.login.lower() == value.lower(),
    "user": lambda value: lambda repo, issue: repo.owner.login.lower() == value.lower(),
    "is": _is,
    "type": _is,
    "state": _is,
    "in": _in,
    "sort": _in,
    "label": lambda value: lambda repo, i: value.lower() in {label.name.lower() for label in i.labels},
    "author": lambda value: lambda repo, issue: issue.user.login.lower() == value.lower(),
    "assignee": lambda value: lambda repo, i: value.lower() in {a.login.lower() for a in i.assignees},
    "head": lambda value: lambda repo, issue: issue.pull is not None and issue.pull.head_ref == value,
    "base": lambda value: lambda repo, issue: issue.pull is not None and issue.pull.base_ref == value,
}


async def search_users(call: Call) -> Answer:
    """By public e-mail address, the one question that the rig asks."""
    wanted = call.query("q").partition(" ")[0].lower()
    users = {user.id: user for user in call.world.users.values()}.values()
    found = [user for user in users if wanted and wanted == (user.public_email or "").lower()]
    reply = call.page(found, lambda user: people.user(call.world, user) | {"score": 1.0})
    return Reply({"total_count": len(found), "incomplete_results": False, "items": reply.body}, headers=reply.headers)


routes: list[Route] = [
    rest("/search/issues", "GET", search_issues),
    rest("/search/users", "GET", search_users),
]
