"""Reads what an issue has to do with others: one GraphQL query, and REST for what GraphQL does not show."""

from __future__ import annotations

from github import GithubException
from github.Repository import Repository as GitHubRepository

from servers.github.client import ask
from servers.github.marks import has_mark
from servers.github.relation_models import ClosingPullRequest, OtherIssue, Relations, Remark
from servers.github.snapshot import actor
from servers.github.trees import Json, child, children
from servers.kit.errors import NotFound
from servers.kit.repository import LONGEST

BODY_LIMIT = 10_000
TEMPLATES = 20
_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_WITHOUT_DEPENDENCIES = frozenset({404, 410})  # an older GitHub Enterprise Server, or issues are switched off


def read_relations(repo: GitHubRepository, number: int, login: str) -> Relations:
    """The relations of issue `number`.

    Args:
        login: The account under which the rig comments.

    Raises:
        NotFound: GitHub does not show the issue.
    """
    owner, _, name = repo.full_name.partition("/")
    repository = child(ask(repo, "relations", owner=owner, name=name, number=number), "repository")
    issue = child(repository, "issue")
    if not issue:
        raise NotFound(f"There is no issue #{number}, or GitHub does not show it to the rig.")
    return Relations(
        sub_issues=[_issue(one) for one in children(issue, "subIssues", "nodes")],
        blocked_by=_blockers(repo, number),
        pull_requests=[
            _pull(one) for one in children(issue, "closedByPullRequestsReferences", "nodes") if one["state"] == "OPEN"
        ],
        comments=[_remark(one, login) for one in children(issue, "comments", "nodes")],
        templates=_templates(repository),
        settings=_settings(repository),
    )


def _blockers(repo: GitHubRepository, number: int) -> list[OtherIssue]:
    try:
        _, found = repo.requester.requestJsonAndCheck(
            "GET", f"{repo.url}/issues/{number}/dependencies/blocked_by", parameters={"per_page": 100}
        )
    except GithubException as error:
        if error.status in _WITHOUT_DEPENDENCIES:
            return []
        raise
    return [
        OtherIssue(
            repository="/".join(one["repository_url"].split("/")[-2:]),
            number=one["number"],
            state="open" if one["state"] == "open" else "closed",
            labels=[label["name"] for label in one["labels"]],
        )
        for one in children({"found": found}, "found")
    ]


def _issue(one: Json) -> OtherIssue:
    return OtherIssue(
        repository=one["repository"]["nameWithOwner"],
        number=one["number"],
        state="open" if one["state"] == "OPEN" else "closed",
        labels=[label["name"] for label in children(one, "labels", "nodes")],
    )


def _pull(one: Json) -> ClosingPullRequest:
    return ClosingPullRequest(
        repository=one["repository"]["nameWithOwner"],
        number=one["number"],
        author=actor(one["author"]),
        head_ref=one["headRefName"],
        fork=one["isCrossRepository"],
    )


def _remark(one: Json, login: str) -> Remark:
    author = actor(one["author"])
    return Remark(
        author=author,
        body=(one["body"] or "")[:BODY_LIMIT],
        # A person may share the rig's account, but what they write has no mark.
        ours=author == login and has_mark(one["body"] or ""),
        trusted=one["authorAssociation"] in _TRUSTED,
        bot=child(one, "author").get("__typename") == "Bot",
    )


def _templates(repository: Json) -> list[str]:
    texts = [one.get("body") for one in children(repository, "issueTemplates")]
    texts += [child(repository, name).get("text") for name in ("hidden", "plain")]
    return [text for text in texts if text][:TEMPLATES]


def _settings(repository: Json) -> str | None:
    if repository.get("settings") is None:
        return ""
    text = child(repository, "settings").get("text")
    return text if text is not None and len(text) <= LONGEST else None
