"""GraphQL: the roots, accounts, repositories and issues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rig.doubles.github.errors import Refused
from rig.doubles.github.graphql.engine import PAGING, Context, Failed, Node, connection, plain, resolves
from rig.doubles.github.model import Issue, Json, Label, PullRequest, Repository, User, stamp
from rig.doubles.github.shapes import issues as issue_shapes
from rig.doubles.github.shapes import people


class At(NamedTuple):
    """A record with the repository and, where it has one, the pull request it belongs to."""

    repo: Repository
    item: Any
    pull: PullRequest | None = None


def actor(user: User | None) -> Node | None:
    return Node(user.kind, user) if user else None


def login(user: User) -> str:
    """As an actor a bot has no suffix here, unlike in REST; as the viewer it has."""
    return user.login.removesuffix("[bot]")


for kind in ("User", "Bot", "Organization"):
    plain(kind, login=login, databaseId=lambda user: user.id, id=lambda user: f"U_{user.id}")

    @resolves(kind, "url")
    def _user_url(context: Context, user: User, arguments: Json) -> str:
        return people.user(context.world, user)["html_url"]

    @resolves(kind, "avatarUrl", "size")
    def _user_avatar(context: Context, user: User, arguments: Json) -> str:
        return people.user(context.world, user)["avatar_url"]


plain("User", login=lambda user: user.login)
plain("User", name=lambda user: user.name, email=lambda user: "")


@resolves("Query", "viewer")
def _viewer(context: Context, root: None, arguments: Json) -> Node:
    # GitHub's schema says that the viewer is a User, and answers so for an App's bot as well.
    return Node("User", context.viewer.user)


@resolves("Query", "rateLimit", "dryRun")
def _rate_limit(context: Context, root: None, arguments: Json) -> Node:
    return Node("RateLimit", {"limit": 5000, "cost": 1, "remaining": 4999, "used": 1})


plain("RateLimit", limit=lambda r: r["limit"], cost=lambda r: r["cost"], used=lambda r: r["used"])
plain("RateLimit", remaining=lambda r: r["remaining"], resetAt=lambda r: "2030-01-01T00:00:00Z")


@resolves("Query", "repository", "owner", "name", "followRenames")
def _repository(context: Context, root: None, arguments: Json) -> Node:
    owner, name = arguments["owner"], arguments["name"]
    message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
    try:
        found = context.world.repository(owner, name)
    except Refused:
        raise Failed("NOT_FOUND", message) from None
    if not context.viewer.may(found, "read"):
        raise Failed("NOT_FOUND", message)
    return Node("Repository", found)


@resolves("Query", "node", "id")
def _node(context: Context, root: None, arguments: Json) -> Node:
    return find_node(context, str(arguments["id"]))


def find_node(context: Context, wanted: str) -> Node:
    """Whatever a node id names, where the viewer may see it."""
    for repo in context.world.repositories.values():
        if context.viewer.may(repo, "read"):
            for found in _nodes_of(repo):
                if _node_id(found) == wanted:
                    return found
    raise Failed("NOT_FOUND", f"Could not resolve to a node with the global id of '{wanted}'")


PREFIXES = {
    "Repository": "R",
    "Issue": "I",
    "PullRequest": "PR",
    "PullRequestReviewThread": "PRRT",
    "PullRequestReview": "PRR",
}


def _node_id(node: Node) -> str:
    record = node.source if isinstance(node.source, Repository) else node.source.item
    return f"{PREFIXES[node.type]}_{record.id}"


def _nodes_of(repo: Repository) -> list[Node]:
    found = [Node("Repository", repo)]
    found += [Node("Issue", At(repo, issue)) for issue in repo.issues.values() if not issue.pull]
    for pull in repo.pulls:
        found.append(Node("PullRequest", At(repo, pull, pull)))
        found += [Node("PullRequestReviewThread", At(repo, thread, pull)) for thread in pull.threads]
        found += [Node("PullRequestReview", At(repo, review, pull)) for review in pull.reviews]
    return found


plain(
    "Repository",
    id=lambda repo: f"R_{repo.id}",
    databaseId=lambda repo: repo.id,
    name=lambda repo: repo.name,
    nameWithOwner=lambda repo: repo.full_name,
    isPrivate=lambda repo: repo.private,
    description=lambda repo: repo.description,
    owner=lambda repo: actor(repo.owner),
    deleteBranchOnMerge=lambda repo: repo.delete_branch_on_merge,
    squashMergeAllowed=lambda repo: True,
    defaultBranchRef=lambda repo: ref(repo, repo.default_branch),
)


@resolves("Repository", "url")
def _repository_url(context: Context, repo: Repository, arguments: Json) -> str:
    return f"{context.world.url}/{repo.full_name}"


@resolves("Repository", "viewerPermission")
def _viewer_permission(context: Context, repo: Repository, arguments: Json) -> str | None:
    role = context.viewer.role(repo)
    return None if role == "none" else role.upper()


@resolves("Repository", "ref", "qualifiedName")
def _ref(context: Context, repo: Repository, arguments: Json) -> Node | None:
    return ref(repo, str(arguments["qualifiedName"]).removeprefix("refs/heads/"))


def ref(repo: Repository, branch: str) -> Node | None:
    return Node("Ref", At(repo, branch)) if repo.branch(branch) else None


plain("Ref", name=lambda at: at.item, prefix=lambda at: "refs/heads/", id=lambda at: f"REF_{at.item}")


@resolves("Repository", "issue", "number")
def _issue(context: Context, repo: Repository, arguments: Json) -> Node:
    found = repo.issues.get(arguments["number"])
    if found is None or found.pull:
        raise Failed("NOT_FOUND", f"Could not resolve to an Issue with the number of {arguments['number']}.")
    return Node("Issue", At(repo, found))


@resolves("Repository", "pullRequest", "number")
def _pull(context: Context, repo: Repository, arguments: Json) -> Node:
    found = repo.issues.get(arguments["number"])
    if found is None or found.pull is None:
        number = arguments["number"]
        raise Failed("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
    return Node("PullRequest", At(repo, found.pull, found.pull))


@resolves("Repository", "issues", *PAGING, "states", "labels", "orderBy", "filterBy")
def _issues(context: Context, repo: Repository, arguments: Json) -> Node:
    states, labels = arguments.get("states"), arguments.get("labels")
    found = [
        Node("Issue", At(repo, issue))
        for issue in repo.issues.values()
        if issue.pull is None
        and (not states or issue.state.upper() in states)
        and (not labels or {label.name for label in issue.labels} & {*labels})
    ]
    return connection("IssueConnection", found, arguments)


@resolves("Repository", "pullRequests", *PAGING, "states", "headRefName", "baseRefName", "labels", "orderBy")
def _pulls(context: Context, repo: Repository, arguments: Json) -> Node:
    states, head, base = arguments.get("states"), arguments.get("headRefName"), arguments.get("baseRefName")
    found = [
        Node("PullRequest", At(repo, pull, pull))
        for pull in repo.pulls
        if (not states or pull_state(pull) in states)
        and head in (None, pull.head_ref)
        and base in (None, pull.base_ref)
    ]
    return connection("PullRequestConnection", found, arguments)


def pull_state(pull: PullRequest) -> str:
    return "MERGED" if pull.merged_at else pull.issue.state.upper()


def shared_fields(type_name: str, issue_of: Callable[[At], Issue]) -> None:
    """What issues and pull requests have in common."""
    plain(
        type_name,
        number=lambda at: issue_of(at).number,
        title=lambda at: issue_of(at).title,
        body=lambda at: issue_of(at).body or "",
        author=lambda at: actor(issue_of(at).user),
        createdAt=lambda at: stamp(issue_of(at).created_at),
        updatedAt=lambda at: stamp(issue_of(at).updated_at),
        closedAt=lambda at: stamp(issue_of(at).closed_at),
        closed=lambda at: issue_of(at).state == "closed",
        locked=lambda at: False,
        repository=lambda at: Node("Repository", at.repo),
    )

    @resolves(type_name, "url")
    def _url(context: Context, at: At, arguments: Json) -> str:
        return issue_shapes.html_url(context.world, at.repo, issue_of(at))

    @resolves(type_name, "authorAssociation")
    def _association(context: Context, at: At, arguments: Json) -> str:
        return people.association(at.repo, issue_of(at).user)

    @resolves(type_name, "labels", *PAGING, "orderBy")
    def _labels(context: Context, at: At, arguments: Json) -> Node:
        return connection("LabelConnection", [Node("Label", label) for label in issue_of(at).labels], arguments)

    @resolves(type_name, "assignees", *PAGING)
    def _assignees(context: Context, at: At, arguments: Json) -> Node:
        return connection("UserConnection", [Node("User", u) for u in issue_of(at).assignees], arguments)

    @resolves(type_name, "comments", *PAGING, "orderBy")
    def _comments(context: Context, at: At, arguments: Json) -> Node:
        found = [Node("IssueComment", At(at.repo, said)) for said in issue_of(at).comments]
        return connection("IssueCommentConnection", found, arguments)


def _own(at: At) -> Issue:
    return at.item


shared_fields("Issue", _own)
plain(
    "Issue",
    id=lambda at: f"I_{at.item.id}",
    databaseId=lambda at: at.item.id,
    state=lambda at: at.item.state.upper(),
    stateReason=lambda at: at.item.state_reason.upper() if at.item.state_reason else None,
)
plain(
    "IssueComment",
    id=lambda at: f"IC_{at.item.id}",
    databaseId=lambda at: at.item.id,
    author=lambda at: actor(at.item.user),
    body=lambda at: at.item.body,
    createdAt=lambda at: stamp(at.item.created_at),
)


def _label_id(label: Label) -> str:
    return f"LA_{label.id}"


plain("Label", id=_label_id, name=lambda label: label.name, color=lambda label: label.color)
plain("Label", description=lambda label: label.description)
