"""GraphQL: pull requests, their commits and checks — what a merge gate reads."""

from __future__ import annotations

import re

from rig.doubles.github import checks, issues, pulls, reviews
from rig.doubles.github import repos as store
from rig.doubles.github.graphql.engine import PAGING, Context, Failed, Node, connection, plain, resolves
from rig.doubles.github.graphql.reads import At, actor, pull_state, ref, shared_fields
from rig.doubles.github.model import CheckRun, Issue, Json, PullRequest, stamp
from rig.doubles.github.shapes import people
from rig.doubles.github.shapes import repos as repo_shapes

CO_AUTHOR = re.compile(r"^Co-authored-by: (.+?) <(.+?)>$", re.MULTILINE | re.IGNORECASE)


def _issue_of(at: At) -> Issue:
    return at.item.issue


shared_fields("PullRequest", _issue_of)
plain(
    "PullRequest",
    id=lambda at: f"PR_{at.item.id}",
    databaseId=lambda at: at.item.id,
    fullDatabaseId=lambda at: str(at.item.id),
    state=lambda at: pull_state(at.item),
    isDraft=lambda at: at.item.draft,
    merged=lambda at: at.item.merged_at is not None,
    mergedAt=lambda at: stamp(at.item.merged_at),
    mergedBy=lambda at: actor(at.item.merged_by),
    headRefName=lambda at: at.item.head_ref,
    headRefOid=lambda at: at.item.head_sha,
    baseRefName=lambda at: at.item.base_ref,
    baseRefOid=lambda at: at.item.base_sha,
    headRef=lambda at: ref(at.repo, at.item.head_ref),
    baseRef=lambda at: ref(at.repo, at.item.base_ref),
    headRepository=lambda at: Node("Repository", at.repo),
    baseRepository=lambda at: Node("Repository", at.repo),
    isCrossRepository=lambda at: False,
    additions=lambda at: at.item.stats.additions,
    deletions=lambda at: at.item.stats.deletions,
    changedFiles=lambda at: at.item.stats.changed_files,
    isMergeQueueEnabled=lambda at: bool((held := at.repo.protections.get(at.item.base_ref)) and held.merge_queue),
    isInMergeQueue=lambda at: at.item.queue_entry is not None,
    mergeQueueEntry=lambda at: queue_entry(at) if at.item.queue_entry else None,
)


def queue_entry(at: At) -> Node:
    return Node("MergeQueueEntry", At(at.repo, at.item, at.item))


plain(
    "MergeQueueEntry",
    id=lambda at: f"MQE_{at.item.queue_entry}",
    state=lambda at: "QUEUED",
    position=lambda at: 1,
    pullRequest=lambda at: Node("PullRequest", at),
)


@resolves("Ref", "refUpdateRule")
def _update_rule(context: Context, at: At, arguments: Json) -> Node | None:
    held = at.repo.protections.get(at.item)
    return Node("RefUpdateRule", (at.item, held)) if held else None


plain(
    "RefUpdateRule",
    pattern=lambda at: at[0],
    requiredStatusCheckContexts=lambda at: at[1].required_checks,
    requiredApprovingReviewCount=lambda at: at[1].required_reviews or None,
    requiresCodeOwnerReviews=lambda at: at[1].code_owners,
)


@resolves("PullRequest", "mergeable")
async def _mergeable(context: Context, at: At, arguments: Json) -> str:
    pull: PullRequest = at.item
    await pulls.read_mergeable(context.world, at.repo, pull)
    if pull.mergeable is None or not pull.is_open:
        return "UNKNOWN"
    return "MERGEABLE" if pull.mergeable else "CONFLICTING"


@resolves("PullRequest", "mergeStateStatus")
async def _merge_state(context: Context, at: At, arguments: Json) -> str:
    return await pulls.merge_state(context.world, at.repo, at.item)


@resolves("PullRequest", "reviewDecision")
def _decision(context: Context, at: At, arguments: Json) -> str | None:
    return reviews.decision(context.world, at.repo, at.item)


@resolves("PullRequest", "mergeCommit")
async def _merge_commit(context: Context, at: At, arguments: Json) -> Node | None:
    if at.item.merge_sha is None:
        return None
    return Node("Commit", At(at.repo, await store.commit(at.repo.path, at.item.merge_sha), at.pull))


@resolves("PullRequest", "closingIssuesReferences", *PAGING, "userLinkedOnly", "orderBy")
def _closing(context: Context, at: At, arguments: Json) -> Node:
    pull: PullRequest = at.item
    found: list[Node] = []
    if pull.base_ref == at.repo.default_branch:
        named = issues.closing_references(context.world, at.repo, pull.issue.body or "")
        found = [Node("Issue", At(home, issue)) for home, issue in named if context.viewer.may(home, "read")]
    return connection("IssueConnection", found, arguments)


@resolves("PullRequest", "files", *PAGING)
async def _files(context: Context, at: At, arguments: Json) -> Node:
    base = await pulls.merge_base(at.repo, at.item)
    listed = await store.diff(at.repo.path, base, at.item.head_sha)
    return connection(
        "PullRequestChangedFileConnection", [Node("PullRequestChangedFile", f) for f in listed], arguments
    )


plain(
    "PullRequestChangedFile",
    path=lambda file: file.path,
    additions=lambda file: file.additions,
    deletions=lambda file: file.deletions,
    changeType=lambda file: {"removed": "DELETED"}.get(file.status, file.status.upper()),
)


@resolves("PullRequest", "commits", *PAGING)
async def _commits(context: Context, at: At, arguments: Json) -> Node:
    listed = await pulls.commits(at.repo, at.item)
    found = [Node("PullRequestCommit", At(at.repo, commit, at.pull)) for commit in listed]
    return connection("PullRequestCommitConnection", found, arguments)


@resolves("PullRequest", "statusCheckRollup")
async def _pull_rollup(context: Context, at: At, arguments: Json) -> Node | None:
    return rollup(At(at.repo, await store.commit(at.repo.path, at.item.head_sha), at.pull))


@resolves("Ref", "target")
async def _target(context: Context, at: At, arguments: Json) -> Node:
    sha = at.repo.branch(at.item) or ""
    return Node("Commit", At(at.repo, await store.commit(at.repo.path, sha)))


plain(
    "PullRequestCommit",
    id=lambda at: f"PRC_{at.item.sha}",
    commit=lambda at: Node("Commit", at),
)
plain(
    "Commit",
    id=lambda at: f"C_{at.repo.id}_{at.item.sha}",
    oid=lambda at: at.item.sha,
    abbreviatedOid=lambda at: at.item.sha[:7],
    message=lambda at: at.item.message,
    messageHeadline=lambda at: at.item.message.partition("\n")[0],
    messageBody=lambda at: at.item.message.partition("\n")[2].strip(),
    committedDate=lambda at: at.item.committer.stamp,
    authoredDate=lambda at: at.item.author.stamp,
    author=lambda at: Node("GitActor", at.item.author),
    committer=lambda at: Node("GitActor", at.item.committer),
    tree=lambda at: Node("Tree", At(at.repo, at.item.tree)),
    statusCheckRollup=lambda at: rollup(at),
)
plain("Tree", oid=lambda at: at.item)
plain("GitActor", name=lambda who: who.name, email=lambda who: who.email, date=lambda who: who.stamp)


@resolves("GitActor", "user")
def _git_user(context: Context, who: store.Person, arguments: Json) -> Node | None:
    found = repo_shapes.account_of(context.world, who)
    return Node("User", found) if found and found.kind == "User" else None


@resolves("Commit", "parents", *PAGING)
async def _parents(context: Context, at: At, arguments: Json) -> Node:
    found = [Node("Commit", At(at.repo, await store.commit(at.repo.path, sha))) for sha in at.item.parents]
    return connection("CommitConnection", found, arguments)


@resolves("Commit", "authors", *PAGING)
def _authors(context: Context, at: At, arguments: Json) -> Node:
    """The author, then whoever is named by `Co-authored-by`."""
    named = CO_AUTHOR.findall(at.item.message)
    people = [at.item.author, *(store.Person(name, email, at.item.author.at) for name, email in named)]
    return connection("GitActorConnection", [Node("GitActor", who) for who in people], arguments)


def rollup(at: At) -> Node | None:
    return Node("StatusCheckRollup", at) if checks.rollup_state(at.repo, at.item.sha) else None


plain(
    "StatusCheckRollup",
    id=lambda at: f"SCR_{at.item.sha}",
    state=lambda at: checks.rollup_state(at.repo, at.item.sha),
)


@resolves("StatusCheckRollup", "contexts", *PAGING)
def _contexts(context: Context, at: At, arguments: Json) -> Node:
    found = [Node("CheckRun", At(at.repo, run, at.pull)) for run in checks.latest_runs(at.repo, at.item.sha)]
    found += [Node("StatusContext", At(at.repo, s, at.pull)) for s in checks.latest_statuses(at.repo, at.item.sha)]
    return connection("StatusCheckRollupContextConnection", found, arguments)


plain(
    "CheckRun",
    id=lambda at: f"CR_{at.item.id}",
    databaseId=lambda at: at.item.id,
    name=lambda at: at.item.name,
    status=lambda at: at.item.status.upper(),
    conclusion=lambda at: at.item.conclusion.upper() if at.item.conclusion else None,
    title=lambda at: at.item.title,
    summary=lambda at: at.item.summary,
    text=lambda at: at.item.text,
    startedAt=lambda at: stamp(at.item.started_at),
    completedAt=lambda at: stamp(at.item.completed_at),
    externalId=lambda at: at.item.external_id,
    checkSuite=lambda at: Node("CheckSuite", At(at.repo, at.item.suite, at.pull)),
)


def _run_page(context: Context, at: At, arguments: Json) -> str:
    run: CheckRun = at.item
    return f"{context.world.url}/{at.repo.full_name}/runs/{run.id}"


@resolves("CheckRun", "detailsUrl")
def _details(context: Context, at: At, arguments: Json) -> str:
    return at.item.details_url or _run_page(context, at, arguments)


for _name in ("url", "permalink"):
    resolves("CheckRun", _name)(_run_page)


def _required(name: str, at: At, arguments: Json) -> bool:
    """GitHub asks which pull request is meant, by number or by id."""
    number, identity = arguments.get("pullRequestNumber"), arguments.get("pullRequestId")
    if number is None and identity is None:
        raise Failed("UNPROCESSABLE", "You must provide a pullRequestId or a pullRequestNumber.")
    for pull in at.repo.pulls:
        if pull.number == number or f"PR_{pull.id}" == identity:
            return checks.is_required(at.repo, pull, name)
    raise Failed("NOT_FOUND", "Could not resolve to a PullRequest.")


@resolves("CheckRun", "isRequired", "pullRequestId", "pullRequestNumber")
def _run_required(context: Context, at: At, arguments: Json) -> bool:
    return _required(at.item.name, at, arguments)


@resolves("StatusContext", "isRequired", "pullRequestId", "pullRequestNumber")
def _status_required(context: Context, at: At, arguments: Json) -> bool:
    return _required(at.item.context, at, arguments)


plain(
    "StatusContext",
    id=lambda at: f"SC_{at.item.id}",
    context=lambda at: at.item.context,
    state=lambda at: at.item.state.upper(),
    description=lambda at: at.item.description,
    targetUrl=lambda at: at.item.target_url,
    creator=lambda at: actor(at.item.creator),
    createdAt=lambda at: stamp(at.item.created_at),
)
plain(
    "CheckSuite",
    id=lambda at: f"CS_{at.item.id}",
    databaseId=lambda at: at.item.id,
    status=lambda at: at.item.status.upper(),
    conclusion=lambda at: at.item.conclusion.upper() if at.item.conclusion else None,
    app=lambda at: Node("App", at.item.app),
)
plain("App", id=lambda app: f"A_{app.id}", databaseId=lambda app: app.id, name=lambda app: app.name)
plain("App", slug=lambda app: app.slug)


@resolves("App", "url")
def _app_url(context: Context, app: object, arguments: Json) -> str:
    return people.app(context.world, app)["html_url"]  # type: ignore[arg-type]
