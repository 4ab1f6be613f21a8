"""One read of a pull request, bound to its head SHA: what the merge gate decides on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from github.Repository import Repository as GitHubRepository

from servers.github.client import Repo
from servers.github.failures import FAILURES
from servers.github.marks import has_mark
from servers.github.models import Check, ChecksState, CheckState, PullRequestState, Review, Snapshot, Thread
from servers.github.protections import Demands, demands, is_behind, of_update_rule, together
from servers.github.trees import Json, child, children
from servers.kit.errors import Conflict, NotFound, TooLarge

PAUSES = (0.1, 0.3, 0.6)
PAGES = 20
BODY_LIMIT = 4_000
LOG_LIMIT = 4_000
ACTIONS = "github-actions"
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)
_STATES: dict[str, PullRequestState] = {"OPEN": "open", "CLOSED": "closed", "MERGED": "merged"}
_OPINIONS: dict[str, Literal["approved", "changes_requested", "commented"]] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes_requested",
    "COMMENTED": "commented",
}
_MERGEABLE: dict[str, Literal["mergeable", "conflicting", "unknown"]] = {
    "MERGEABLE": "mergeable",
    "CONFLICTING": "conflicting",
}
_CONCLUSIONS: dict[str, CheckState] = {"SUCCESS": "success", "NEUTRAL": "success", "SKIPPED": "skipped"}
_STATUSES: dict[str, CheckState] = {"SUCCESS": "success", "PENDING": "pending", "EXPECTED": "pending"}


@dataclass
class _Read:
    """One pull request, with all pages of its threads and checks."""

    repository_id: int
    pull: Json
    threads: list[Json] = field(default_factory=list[Json])
    contexts: list[Json] = field(default_factory=list[Json])

    @property
    def settled(self) -> bool:
        """Whether GitHub has caught up with the head: it computes mergeability after the first question."""
        if self.pull["state"] != "OPEN":
            return True
        return self.pull["mergeable"] != "UNKNOWN" and self.shows_head

    @property
    def shows_head(self) -> bool:
        return _last_commit(self.pull).get("oid") == self.pull["headRefOid"]


async def take(repo: Repo, number: int) -> Snapshot:
    """Read pull request `number`, waiting a second for GitHub to settle.

    Raises:
        NotFound: There is no such pull request.
        Conflict: The head moved while it was read.
    """
    read = await _read(repo, number)
    for pause in PAUSES:
        if read.settled:
            break
        await repo.github.clock.sleep(pause)
        read = await _read(repo, number)
    failing = [c for c in read.contexts if context_state(c) == "failure"]
    log_tail = await repo.run(lambda opened: _log_tail(opened, failing)) if failing else None
    reviewer = await repo.github.repository(repo.name, "review").login()
    return _snapshot(repo.name, number, read, log_tail, reviewer, await _ground(repo, read.pull))


@dataclass(frozen=True)
class _Ground:
    """The base as the pull request stands to it."""

    demands: Demands
    behind: bool | None


async def _ground(repo: Repo, pull: Json) -> _Ground:
    """Asked for only while it matters, which is as long as the pull request is open."""
    if pull["state"] != "OPEN" or not child(pull, "baseRef"):
        return _Ground(Demands(), None)
    told, behind = await asyncio.gather(demands(repo, pull["baseRefName"]), _behind(repo, pull))
    shown = of_update_rule(child(pull, "baseRef", "refUpdateRule"))
    graph = Demands(up_to_date=pull["mergeStateStatus"] == "BEHIND", merge_queue=pull["isMergeQueueEnabled"])
    return _Ground(together(told, shown, graph), behind)


async def _behind(repo: Repo, pull: Json) -> bool | None:
    if pull["mergeStateStatus"] == "BEHIND":
        return True
    return await is_behind(repo, _base_sha(pull), pull["headRefOid"])


def _base_sha(pull: Json) -> str:
    """Where the base branch is now: `baseRefOid` is where it was when GitHub last looked."""
    return child(pull, "baseRef", "target").get("oid") or pull["baseRefOid"]


async def _read(repo: Repo, number: int) -> _Read:
    owner, _, name = repo.name.partition("/")
    cursors: dict[str, str | None] = {"threads": None, "contexts": None}
    read: _Read | None = None
    for _ in range(PAGES):
        data = await repo.query("snapshot", owner=owner, name=name, number=number, **cursors)
        repository, pull = _found(data, number)
        read = read or _Read(repository["databaseId"], pull)
        if pull["headRefOid"] != read.pull["headRefOid"]:
            raise Conflict("The head moved while the pull request was read. Read it again.")
        threads, contexts = child(pull, "reviewThreads"), _contexts(pull)
        read.threads += children(threads, "nodes")
        read.contexts += children(contexts, "nodes")
        pages = {"threads": child(threads, "pageInfo"), "contexts": child(contexts, "pageInfo")}
        if not any(page.get("hasNextPage") for page in pages.values()):
            return read
        cursors = {name: page.get("endCursor") or cursors[name] for name, page in pages.items()}
    raise TooLarge(f"#{number} has more than {PAGES * 100} review threads or checks.")


def _found(data: Json, number: int) -> tuple[Json, Json]:
    repository, pull = child(data, "repository"), child(data, "repository", "pullRequest")
    if not pull:
        raise NotFound(f"There is no pull request #{number}, or GitHub does not show it to the rig.")
    return repository, pull


def _last_commit(pull: Json) -> Json:
    nodes = children(pull, "commits", "nodes")
    return child(nodes[-1], "commit") if nodes else {}


def _contexts(pull: Json) -> Json:
    return child(_last_commit(pull), "statusCheckRollup", "contexts")


def _snapshot(
    repository: str, number: int, read: _Read, log_tail: str | None, reviewer: str, ground: _Ground
) -> Snapshot:
    pull = read.pull
    # Checks of another commit than the head would prove nothing about it.
    checks = [_check(context) for context in read.contexts] if read.shows_head else []
    state = _STATES[pull["state"]]
    return Snapshot(
        repository_id=read.repository_id,
        repository=repository,
        number=number,
        url=pull["url"],
        title=pull["title"],
        body=pull["body"] or "",
        author=actor(pull["author"]),
        written_by=_written_by(pull),
        state=state,
        draft=pull["isDraft"],
        head_sha=pull["headRefOid"],
        head_ref=pull["headRefName"],
        fork=pull["isCrossRepository"],
        base_ref=pull["baseRefName"],
        base_sha=_base_sha(pull),
        behind=ground.behind,
        mergeable=_MERGEABLE.get(pull["mergeable"], "unknown"),
        labels=[label["name"] for label in children(pull, "labels", "nodes")],
        closes=[_reference(issue) for issue in children(pull, "closingIssuesReferences", "nodes")],
        checks=checks,
        checks_state=summarize(checks),
        reviews=[
            _review(review)
            for review in children(pull, "latestOpinionatedReviews", "nodes")
            if review["state"] in _OPINIONS and review["commit"]
        ],
        threads=[_thread(thread, reviewer) for thread in read.threads],
        files_changed=pull["changedFiles"],
        merged_sha=pull["mergeCommit"]["oid"] if state == "merged" and pull["mergeCommit"] else None,
        merged_by=actor(pull["mergedBy"]) if pull["mergedBy"] else None,
        in_merge_queue=pull["isInMergeQueue"],
        self_review=actor(pull["author"]) == reviewer,
        **_demanded(ground.demands),
        log_tail=log_tail,
    )


def _demanded(demands: Demands) -> dict[str, Any]:
    return {
        "merge_queue": demands.merge_queue,
        "required_checks": list(demands.checks),
        "required_approvals": demands.approvals,
        "requires_code_owners": demands.code_owners,
        "requires_up_to_date": demands.up_to_date,
    }


def actor(account: Json | None) -> str:
    """The login as REST and webhooks write it: GraphQL leaves out the `[bot]` of an App."""
    if account is None:
        return "ghost"
    login = str(account["login"])
    return f"{login}[bot]" if account["__typename"] == "Bot" and not login.endswith("[bot]") else login


def _written_by(pull: Json) -> list[str]:
    """The accounts that wrote its commits; whoever only merged the base wrote nothing."""
    commits = [child(node, "commit") for node in children(pull, "written", "nodes")]
    own = [commit for commit in commits if child(commit, "parents").get("totalCount", 1) < 2]
    people = [child(who, "user").get("login") for commit in own for who in children(commit, "authors", "nodes")]
    return [*dict.fromkeys(str(login) for login in people if login)]


def _reference(issue: Json) -> str:
    return f"{issue['repository']['nameWithOwner']}#{issue['number']}"


def _review(review: Json) -> Review:
    return Review(
        author=actor(review["author"]),
        state=_OPINIONS[review["state"]],
        head_sha=review["commit"]["oid"],
        body=(review["body"] or "")[:BODY_LIMIT],
        bot=child(review, "author").get("__typename") == "Bot",
        ours=has_mark(review["body"] or ""),
    )


def _thread(thread: Json, reviewer: str) -> Thread:
    first = next(iter(children(thread, "comments", "nodes")), None)
    author = actor(first["author"]) if first else "ghost"
    return Thread(
        id=thread["id"],
        resolved=thread["isResolved"],
        outdated=thread["isOutdated"],
        path=thread["path"],
        line=thread["line"],
        author=author,
        # A person may share the reviewer's account, but what they write has no mark.
        ours=first is not None and author == reviewer and has_mark(first["body"]),
        body=(first["body"] if first else "")[:BODY_LIMIT],
    )


def _check(context: Json) -> Check:
    is_run = context["__typename"] == "CheckRun"
    return Check(
        name=context["name"] if is_run else context["context"],
        kind="check_run" if is_run else "status",
        state=context_state(context),
        url=context["detailsUrl"] if is_run else context["targetUrl"],
        required=context["isRequired"],
    )


def context_state(context: Json) -> CheckState:
    """What a check run or a commit status of GraphQL amounts to."""
    if context["__typename"] == "CheckRun":
        return run_state(context["status"], context["conclusion"])
    return _STATUSES.get(context["state"], "failure")


def run_state(status: str, conclusion: str | None) -> CheckState:
    """What a check run amounts to; REST and GraphQL differ in case only."""
    if status.upper() != "COMPLETED":
        return "pending"
    return _CONCLUSIONS.get((conclusion or "").upper(), "failure")


def status_state(state: str) -> CheckState:
    """What a commit status amounts to."""
    return _STATUSES.get(state.upper(), "failure")


def summarize(checks: Sequence[Check]) -> ChecksState:
    """All checks in one word: skipped ones count as success, and no checks at all as none."""
    states = {check.state for check in checks}
    if not states:
        return "none"
    if "failure" in states:
        return "failure"
    return "pending" if "pending" in states else "success"


def _log_tail(repo: GitHubRepository, failing: list[Json]) -> str:
    share = LOG_LIMIT // len(failing[:8])
    return "\n".join(_said(repo, context, share) for context in failing[:8])[-LOG_LIMIT:]


def _said(repo: GitHubRepository, context: Json, limit: int) -> str:
    if context["__typename"] == "StatusContext":
        return f"{context['context']}: {context['description'] or context['state'].lower()}"[:limit]
    heading = f"{context['name']}: {(context['conclusion'] or 'failed').lower()}\n"
    output = "\n".join(part for part in (context["title"], context["summary"], context["text"]) if part)
    if not context["text"] and child(context, "checkSuite", "app").get("slug") == ACTIONS:
        output = f"{output}\n{_job_log(repo, context['databaseId'])}".strip()
    return heading + output[-max(0, limit - len(heading) - 1) :]


def _job_log(repo: GitHubRepository, job: int) -> str:
    """The log of an Actions job, whose id is its check run's; nothing where it is gone or out of reach."""
    with suppress(*FAILURES):
        status, _, text = repo.requester.requestJson(
            "GET", f"{repo.url}/actions/jobs/{job}/logs", follow_302_redirect=True
        )
        if status == 200:
            return _STAMP.sub("", text[-4 * LOG_LIMIT :])
    return ""
