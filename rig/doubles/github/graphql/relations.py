"""GraphQL: what ties issues together, who speaks on them, and the repository's issue templates."""

from __future__ import annotations

from rig.doubles.github import relations
from rig.doubles.github import repos as store
from rig.doubles.github.graphql.engine import PAGING, Context, Node, connection, plain, resolves
from rig.doubles.github.graphql.reads import At
from rig.doubles.github.model import Issue, Json, Repository
from rig.doubles.github.shapes import people

TEMPLATES = ".github/ISSUE_TEMPLATE"


def _visible(context: Context, found: list[Issue]) -> list[Node]:
    homes = [(context.world.repository_of(issue), issue) for issue in found]
    return [Node("Issue", At(home, issue)) for home, issue in homes if context.viewer.may(home, "read")]


@resolves("Issue", "subIssues", *PAGING)
def _sub_issues(context: Context, at: At, arguments: Json) -> Node:
    return connection("IssueConnection", _visible(context, at.item.sub_issues), arguments)


@resolves("Issue", "parent")
def _parent(context: Context, at: At, arguments: Json) -> Node | None:
    parent = relations.parent_of(context.world, at.item)
    return next(iter(_visible(context, [parent] if parent else [])), None)


@resolves("Issue", "closedByPullRequestsReferences", *PAGING, "includeClosedPrs", "orderByState", "userLinkedOnly")
def _closed_by(context: Context, at: At, arguments: Json) -> Node:
    closed_too = bool(arguments.get("includeClosedPrs"))
    found = [
        Node("PullRequest", At(home, issue.pull, issue.pull))
        for home, issue in relations.closers(context.world, at.item)
        if issue.pull and (closed_too or issue.state == "open") and context.viewer.may(home, "read")
    ]
    return connection("PullRequestConnection", found, arguments)


@resolves("IssueComment", "authorAssociation")
def _association(context: Context, at: At, arguments: Json) -> str:
    return people.association(at.repo, at.item.user)


@resolves("Repository", "issueTemplates")
async def _templates(context: Context, repo: Repository, arguments: Json) -> list[Node]:
    listed = await _listed(repo, repo.default_branch, TEMPLATES + "/")
    found = [entry for entry in listed if entry.kind == "blob" and entry.path.endswith(".md")]
    return [Node("IssueTemplate", (e.path, await _text(repo, e.sha))) for e in found]


async def _listed(repo: Repository, branch: str, path: str) -> list[store.Entry]:
    return await store.entries(repo.path, repo.branch(branch) or branch, path) if repo.refs else []


async def _text(repo: Repository, sha: str) -> str:
    return (await store.blob(repo.path, sha)).decode("utf-8", "replace")


def _without_front_matter(text: str) -> str:
    return text.split("---\n", 2)[2].lstrip("\n") if text.startswith("---\n") and text.count("---\n") > 1 else text


plain(
    "IssueTemplate",
    filename=lambda template: template[0].rpartition("/")[2],
    name=lambda template: template[0].rpartition("/")[2],
    body=lambda template: _without_front_matter(template[1]),
)


@resolves("Repository", "object", "expression", "oid")
async def _object(context: Context, repo: Repository, arguments: Json) -> Node | None:
    """A file at a revision such as `HEAD:docs/a.md`; other expressions name nothing here."""
    revision, _, path = str(arguments.get("expression") or "").partition(":")
    branch = repo.default_branch if revision == "HEAD" else revision
    if not path:
        return None
    listed = await _listed(repo, branch, path)
    found = [entry for entry in listed if entry.path == path and entry.kind == "blob"]
    return Node("Blob", await _text(repo, found[0].sha)) if found else None


plain("Blob", text=lambda text: text, byteSize=lambda text: len(text.encode()), isBinary=lambda text: False)
