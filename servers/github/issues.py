"""Tools for issues, their comments and labels."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import quote

from github import GithubException
from github.Issue import Issue as GitHubIssue
from github.IssueComment import IssueComment
from github.Repository import Repository as GitHubRepository
from pydantic import Field

from servers.github.arguments import As, Body, Key, LabelName, Labels, Limit, Number, Repository, State, Title
from servers.github.failures import words
from servers.github.marks import carries, marked
from servers.github.models import (
    Comment,
    CreatedIssue,
    Issue,
    IssueList,
    IssueSummary,
    Labeller,
    LabelsAnswer,
    Permission,
    UpdatedIssue,
)
from servers.github.relations import read_relations
from servers.github.toolbox import READERS, REPORTERS, STEWARDS, WRITERS, AccessDep, tools
from servers.github.trees import children
from servers.kit.auth import Role
from servers.kit.errors import Forbidden, NotFound
from servers.kit.tools import READ_WORLD, WRITE_WORLD

_PERMISSIONS: tuple[Permission, ...] = ("admin", "maintain", "write", "triage", "read", "none")
RECENT = 200
OWN_LABEL: Final[dict[Role, str]] = {"architect": "proposal", "monitor": "incident"}


@tools.tool(READ_WORLD, READERS)
async def get_issue(
    repository: Repository,
    number: Number,
    access: AccessDep,
    labeller_of: Annotated[
        LabelName | None, Field(description="Also say who set this label last, and what that account may do")
    ] = None,
    relations: Annotated[
        bool,
        Field(
            description="Also its sub-issues, blockers, pull requests, newest comments and the issue templates; "
            "of an issue without the label that is asked about they are left out"
        ),
    ] = False,
) -> Issue:
    """Read one issue.

    Fails with not_found for a pull request: read that with get_pull_request.
    """

    login = await access.github.repository(repository, "conductor").login() if relations else ""

    def read(repo: GitHubRepository) -> Issue:
        issue = repo.get_issue(number)
        _require_issue(issue)
        summary = _summary(repository, issue)
        related = relations and labeller_of in (None, *summary.labels)
        return Issue(
            **summary.model_dump(),
            repository_id=repo.id,
            default_branch=repo.default_branch,
            body=issue.body or "",
            labeller=_labeller(repo, issue, labeller_of) if labeller_of else None,
            relations=read_relations(repo, number, login) if related else None,
        )

    return await access.reading(repository).run(read)


@tools.tool(READ_WORLD, READERS)
async def list_issues(
    repository: Repository,
    access: AccessDep,
    labels: Annotated[Labels | None, Field(description="Only issues with all of these labels")] = None,
    state: State = "open",
    limit: Limit = 100,
    skip: Annotated[int, Field(description="Leave out so many first, to read on", ge=0, le=100_000)] = 0,
) -> IssueList:
    """List issues, the most recently updated first; pull requests are left out."""

    def read(repo: GitHubRepository) -> IssueList:
        found = repo.get_issues(state=state, labels=list(labels or []), sort="updated", direction="desc")
        issues = (issue for issue in found if not _is_pull_request(issue))
        return IssueList(issues=[_summary(repository, issue) for issue in islice(issues, skip, skip + limit)])

    return await access.reading(repository).run(read)


@tools.tool(READ_WORLD, READERS)
async def search_issues(
    repository: Repository,
    query: Annotated[str, Field(description="Words, in GitHub's search syntax", min_length=1, max_length=200)],
    access: AccessDep,
    limit: Limit = 30,
) -> IssueList:
    """Search the issues of one repository, best match first, at most 100."""

    def read(repo: GitHubRepository) -> IssueList:
        _, answer = repo.requester.requestJsonAndCheck(
            "GET",
            "/search/issues",
            parameters={"q": f"{query} repo:{repository} is:issue", "per_page": min(limit, 100)},
        )
        # A query may name further repositories: what is not asked of this one is not shown.
        own = f"/repos/{repository}".lower()
        items = children(answer, "items")
        found = [GitHubIssue(repo.requester, {}, i) for i in items if i["repository_url"].lower().endswith(own)]
        return IssueList(issues=[_summary(repository, issue) for issue in found[:limit]])

    return await access.reading(repository).run(read)


@tools.tool(WRITE_WORLD, REPORTERS)
async def create_issue(
    repository: Repository,
    title: Title,
    body: Body,
    key: Key,
    access: AccessDep,
    labels: Annotated[Labels | None, Field(description="Only people and servers may set labels")] = None,
    identity: As = None,
) -> CreatedIssue:
    """Open an issue, once per key; an architect's is labelled proposal and a monitor's incident, nothing else."""
    if labels and access.caller.is_agent:
        raise Forbidden("Labels start work, so only people set them. Open the issue without labels.")
    given = [OWN_LABEL[access.caller.role]] if access.caller.role in OWN_LABEL else list(labels or [])
    repo = await access.writing(repository, identity)
    login = await repo.login()

    def look(repo: GitHubRepository) -> GitHubIssue | None:
        mine = repo.get_issues(state="all", sort="created", direction="desc", creator=cast(Any, login))
        return next((issue for issue in islice(mine, RECENT) if carries(issue.body, key)), None)

    def write(repo: GitHubRepository) -> GitHubIssue:
        return repo.create_issue(title, marked(body, key), labels=given)

    issue, created = await repo.once(f"issue {key}", look, write)
    return CreatedIssue(number=issue.number, url=issue.html_url, created=created)


@tools.tool(WRITE_WORLD, WRITERS)
async def comment_on_issue(
    repository: Repository,
    number: Number,
    body: Annotated[Body, Field(min_length=1)],
    key: Key,
    access: AccessDep,
    identity: As = None,
) -> Comment:
    """Comment on an issue or a pull request, once per key."""
    repo = await access.writing(repository, identity)
    login = await repo.login()

    def look(repo: GitHubRepository) -> IssueComment | None:
        mine = (comment for comment in repo.get_issue(number).get_comments() if login_of(comment.user) == login)
        return next((comment for comment in mine if carries(comment.body, key)), None)

    def write(repo: GitHubRepository) -> IssueComment:
        return repo.get_issue(number).create_comment(marked(body, key))

    comment, created = await repo.once(f"comment {number} {key}", look, write)
    return Comment(id=comment.id, url=comment.html_url, created=created)


@tools.tool(WRITE_WORLD, STEWARDS)
async def update_issue(
    repository: Repository,
    number: Number,
    access: AccessDep,
    state: Annotated[Literal["open", "closed"], Field(description="What it is to be")],
    identity: As = None,
) -> UpdatedIssue:
    """Close an issue as completed, or open it again; one that is so already stays as it is."""

    def write(repo: GitHubRepository) -> UpdatedIssue:
        issue = repo.get_issue(number)
        _require_issue(issue)
        changed = issue.state != state
        if changed:
            issue.edit(state=state, state_reason="completed" if state == "closed" else "reopened")
        return UpdatedIssue(number=number, state=state, changed=changed)

    return await (await access.writing(repository, identity)).run(write)


@tools.tool(WRITE_WORLD, STEWARDS)
async def add_labels(
    repository: Repository, number: Number, labels: Labels, access: AccessDep, identity: As = None
) -> LabelsAnswer:
    """Set labels on an issue or a pull request; those it has already stay."""

    def write(repo: GitHubRepository) -> LabelsAnswer:
        if labels:
            repo.requester.requestJsonAndCheck(
                "POST", f"{repo.url}/issues/{number}/labels", input={"labels": [*labels]}
            )
        return LabelsAnswer(labels=[label.name for label in repo.get_issue(number).get_labels()])

    return await (await access.writing(repository, identity)).run(write)


@tools.tool(WRITE_WORLD, STEWARDS)
async def remove_label(
    repository: Repository, number: Number, label: LabelName, access: AccessDep, identity: As = None
) -> LabelsAnswer:
    """Take a label off an issue or a pull request; one that is not there is no error."""

    def write(repo: GitHubRepository) -> LabelsAnswer:
        issue = repo.get_issue(number)
        try:
            issue.remove_from_labels(label)
        except GithubException as error:
            if error.status != 404 or "label" not in words(error).lower():
                raise
        return LabelsAnswer(labels=[left.name for left in issue.get_labels()])

    return await (await access.writing(repository, identity)).run(write)


def _is_pull_request(issue: GitHubIssue) -> bool:
    # Asking for `pull_request` would cost a request for every issue that is none.
    return "/pull/" in issue.html_url


def _require_issue(issue: GitHubIssue) -> None:
    if _is_pull_request(issue):
        raise NotFound(f"#{issue.number} is a pull request. Read it with get_pull_request.")


def _summary(repository: str, issue: GitHubIssue) -> IssueSummary:
    return IssueSummary(
        repository=repository,
        number=issue.number,
        title=issue.title,
        url=issue.html_url,
        state="open" if issue.state == "open" else "closed",
        author=login_of(issue.user),
        labels=[label.name for label in issue.labels],
        updated_at=issue.updated_at,
    )


def login_of(user: Any) -> str:
    """The login, or GitHub's stand-in for deleted accounts."""
    return user.login if user else "ghost"


def _labeller(repo: GitHubRepository, issue: GitHubIssue, label: str) -> Labeller | None:
    wanted = label.lower()
    if wanted not in {present.name.lower() for present in issue.labels}:
        return None
    last: tuple[str, int] | None = None
    for event in issue.get_events():
        if event.event == "labeled" and event.label.name.lower() == wanted:
            last = login_of(event.actor), event.id
    return Labeller(login=last[0], permission=_permission(repo, last[0]), setting=last[1]) if last else None


def _permission(repo: GitHubRepository, login: str) -> Permission:
    try:
        _, answer = repo.requester.requestJsonAndCheck(
            "GET", f"{repo.url}/collaborators/{quote(login, safe='')}/permission"
        )
    except GithubException as error:
        if error.status == 404:
            return "none"
        raise
    # An organization's own role has a name that says nothing; then the plain permission counts.
    said = [answer.get("role_name"), answer.get("permission")]
    known: list[Permission] = [known for name in said for known in _PERMISSIONS if name == known]
    return known[0] if known else "none"
