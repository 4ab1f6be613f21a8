"""GitHub as the conductor needs it: calls of the github server's tools, answers as typed facts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol, cast

import msgspec

from conductor.comments import STATUS_CONTEXT
from conductor.events import Comment
from conductor.merge.deployments import Rollout
from conductor.merge.snapshot import Change, Content, Snapshot
from conductor.text import all_storable
from servers.kit.client import ToolClient
from servers.kit.errors import NotFound

PAGE = 500
CHANGES_KEPT = 32


class Labeller(msgspec.Struct, frozen=True, kw_only=True):
    """Who set a label, and what they may do: admin, maintain, write, triage, read or none.

    Attributes:
        setting: Numbers the settings of labels: a later one has a higher number.
    """

    login: str
    permission: str
    setting: int = 0


class SeenOther(msgspec.Struct, frozen=True, kw_only=True):
    """Another issue, as far as one that refers to it says."""

    repository: str
    number: int
    state: str = "open"
    labels: list[str] = []


class SeenRival(msgspec.Struct, frozen=True, kw_only=True):
    """An open pull request that closes the issue."""

    repository: str
    number: int
    author: str = ""
    head_ref: str = ""
    fork: bool = False


class SeenComment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment; `ours` where the rig wrote it, `trusted` where its author belongs to the repository."""

    author: str
    body: str = ""
    ours: bool = False
    trusted: bool = False
    bot: bool = False


class SeenRelations(msgspec.Struct, frozen=True, kw_only=True):
    """What an issue has to do with others; comments are the newest, oldest first.

    Attributes:
        settings: Text of `.rig-agent.yaml` on the main branch, empty without one; None where it has to be read.
    """

    sub_issues: list[SeenOther] = []
    blocked_by: list[SeenOther] = []
    pull_requests: list[SeenRival] = []
    comments: list[SeenComment] = []
    templates: list[str] = []
    settings: str | None = None


class SeenIssue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue as GitHub shows it; `labeller` set the label that was asked about and may do `permission`.

    Attributes:
        relations: None where nobody asked for them, or the label that was asked about is not set.
    """

    repository_id: int
    repository: str
    number: int
    title: str
    body: str | None = ""
    url: str = ""
    state: str
    author: str = ""
    labels: list[str] = []
    labeller: Labeller | None = None
    relations: SeenRelations | None = None
    default_branch: str = ""


class SeenRepository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as GitHub calls it now."""

    id: int
    full_name: str
    default_branch: str = "main"


class SeenDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook delivery as GitHub remembers it; `hook_id` is None for the App's."""

    id: int
    guid: str
    hook_id: int | None = None
    event: str = ""
    delivered_at: datetime


class BaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the base; `text` is None where it is no text or too large."""

    path: str
    text: str | None = None


class SeenChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull request changes at one head, and those of the asked files that its base has."""

    files: list[Change] = []
    complete: bool = True
    contents: list[Content] = []
    base: list[BaseFile] = []


class GitHub(Protocol):
    """What the conductor asks of GitHub; every write looks before it acts."""

    async def ping(self) -> None: ...
    async def get_issue(
        self, repository: str, number: int, label: str | None, relations: bool = False
    ) -> SeenIssue: ...
    async def add_label(self, repository: str, number: int, label: str) -> None: ...
    async def remove_label(self, repository: str, number: int, label: str) -> None: ...
    async def close_issue(self, repository: str, number: int) -> None: ...
    async def create_issue(self, repository: str, title: str, body: str, labels: list[str], key: str) -> int: ...
    async def ready_issues(self, repository: str, label: str) -> list[int]: ...
    async def open_pulls(self, repository: str) -> dict[str, int]: ...
    async def repository(self, name: str) -> SeenRepository: ...
    async def rollout(self, repository: str, sha: str) -> Rollout: ...
    async def failed_deliveries(self, repository: str, since: datetime) -> list[SeenDelivery]: ...
    async def redeliver(self, repository: str, delivery: SeenDelivery) -> None: ...
    async def default_branch(self, repository: str) -> str: ...
    async def file(self, repository: str, path: str, ref: str) -> str | None: ...
    async def snapshot(self, repository: str, number: int) -> Snapshot: ...
    async def changes(
        self, repository: str, number: int, head: str, base: str, contents: list[str], base_files: list[str]
    ) -> SeenChanges: ...
    async def accounts(self, repository: str, owners: list[str]) -> dict[str, list[str] | None]: ...
    async def pull_of_branch(self, repository: str, branch: str) -> int | None: ...
    async def post_review(
        self, repository: str, number: int, head: str, verdict: str, body: str, comments: list[Comment], key: str
    ) -> None: ...
    async def resolve_thread(self, repository: str, thread: str) -> None: ...
    async def set_status(self, repository: str, sha: str, context: str, state: str, description: str) -> None: ...
    async def comment(self, repository: str, number: int, body: str, key: str) -> None: ...
    async def merge(self, repository: str, number: int, head: str, title: str, message: str) -> str: ...
    async def update_branch(self, repository: str, number: int, head: str) -> bool: ...
    async def enqueue(self, repository: str, number: int, head: str) -> None: ...
    async def dequeue(self, repository: str, number: int) -> None: ...
    async def is_clean_merge(self, repository: str, head: str, base: str, merged: str) -> bool: ...


class GitHubServer:
    """The github server over MCP."""

    def __init__(self, client: ToolClient) -> None:
        self._client = client
        self._changes: dict[tuple[str, int, str, str], SeenChanges] = {}

    async def ping(self) -> None:
        await self._client.list_tools()

    async def get_issue(self, repository: str, number: int, label: str | None, relations: bool = False) -> SeenIssue:
        asked = {"labeller_of": label, "relations": relations}
        answer = await self._call("get_issue", repository=repository, number=number, **asked)
        return msgspec.convert(answer, SeenIssue)

    async def add_label(self, repository: str, number: int, label: str) -> None:
        await self._call("add_labels", repository=repository, number=number, labels=[label])

    async def remove_label(self, repository: str, number: int, label: str) -> None:
        await self._call("remove_label", repository=repository, number=number, label=label)

    async def close_issue(self, repository: str, number: int) -> None:
        await self._call("update_issue", repository=repository, number=number, state="closed")

    async def create_issue(self, repository: str, title: str, body: str, labels: list[str], key: str) -> int:
        said = {"title": title, "body": body, "labels": labels, "key": key}
        return int((await self._call("create_issue", repository=repository, **said))["number"])

    async def ready_issues(self, repository: str, label: str) -> list[int]:
        found: list[int] = []
        while True:
            page = {"labels": [label], "state": "open", "limit": PAGE, "skip": len(found)}
            answer = await self._call("list_issues", repository=repository, **page)
            found += [issue["number"] for issue in rows(answer)]
            if len(rows(answer)) < PAGE:
                return found

    async def open_pulls(self, repository: str) -> dict[str, int]:
        answer = await self._call("list_pull_requests", repository=repository, state="open", limit=PAGE)
        return {pull["head_ref"]: pull["number"] for pull in reversed(rows(answer))}

    async def pull_of_branch(self, repository: str, branch: str) -> int | None:
        answer = await self._call("list_pull_requests", repository=repository, state="open", head=branch)
        return next((pull["number"] for pull in rows(answer)), None)

    async def repository(self, name: str) -> SeenRepository:
        return msgspec.convert(await self._call("get_repository", repository=name), SeenRepository)

    async def rollout(self, repository: str, sha: str) -> Rollout:
        return msgspec.convert(await self._call("get_rollout", repository=repository, sha=sha), Rollout)

    async def failed_deliveries(self, repository: str, since: datetime) -> list[SeenDelivery]:
        answer = await self._call("list_deliveries", repository=repository, since=since.isoformat())
        return msgspec.convert(rows(answer), list[SeenDelivery])

    async def redeliver(self, repository: str, delivery: SeenDelivery) -> None:
        hook = {} if delivery.hook_id is None else {"hook_id": delivery.hook_id}
        await self._call("redeliver", repository=repository, delivery_id=delivery.id, **hook)

    async def default_branch(self, repository: str) -> str:
        return str((await self._call("get_repository", repository=repository))["default_branch"])

    async def file(self, repository: str, path: str, ref: str) -> str | None:
        try:
            return str((await self._call("get_file", repository=repository, path=path, ref=ref))["content"])
        except NotFound:
            return None

    async def snapshot(self, repository: str, number: int) -> Snapshot:
        answer = await self._call("get_pull_request_snapshot", repository=repository, number=number)
        return without_our_status(msgspec.convert(answer, Snapshot))

    async def changes(
        self, repository: str, number: int, head: str, base: str, contents: list[str], base_files: list[str]
    ) -> SeenChanges:
        """What commits say stays as it is, so it is read once for a head and its base."""
        key = (repository.lower(), number, head, base)
        if key not in self._changes:
            asked = {"head_sha": head, "base_sha": base, "contents": contents, "base_files": base_files}
            answer = await self._call("get_changes", repository=repository, number=number, **asked)
            self._changes[key] = msgspec.convert(answer, SeenChanges)
        while len(self._changes) > CHANGES_KEPT:
            del self._changes[next(iter(self._changes))]
        return self._changes[key]

    async def accounts(self, repository: str, owners: list[str]) -> dict[str, list[str] | None]:
        return dict((await self._call("resolve_owners", repository=repository, owners=owners))["accounts"])

    async def post_review(
        self, repository: str, number: int, head: str, verdict: str, body: str, comments: list[Comment], key: str
    ) -> None:
        await self._call(
            "post_review",
            repository=repository,
            number=number,
            head_sha=head,
            verdict=verdict,
            body=body,
            comments=[msgspec.to_builtins(comment) for comment in comments],
            key=key,
            identity="review",
        )

    async def resolve_thread(self, repository: str, thread: str) -> None:
        await self._call("resolve_thread", repository=repository, thread_id=thread)

    async def set_status(self, repository: str, sha: str, context: str, state: str, description: str) -> None:
        await self._call(
            "set_status", repository=repository, sha=sha, context=context, state=state, description=description
        )

    async def comment(self, repository: str, number: int, body: str, key: str) -> None:
        await self._call("comment_on_issue", repository=repository, number=number, body=body, key=key)

    async def merge(self, repository: str, number: int, head: str, title: str, message: str) -> str:
        answer = await self._call(
            "merge_pull_request", repository=repository, number=number, head_sha=head, title=title, message=message
        )
        return str(answer["sha"])

    async def update_branch(self, repository: str, number: int, head: str) -> bool:
        answer = await self._call("update_branch", repository=repository, number=number, head_sha=head)
        return bool(answer["updated"])

    async def enqueue(self, repository: str, number: int, head: str) -> None:
        await self._call("enqueue_pull_request", repository=repository, number=number, head_sha=head)

    async def dequeue(self, repository: str, number: int) -> None:
        await self._call("dequeue_pull_request", repository=repository, number=number)

    async def is_clean_merge(self, repository: str, head: str, base: str, merged: str) -> bool:
        answer = await self._call(
            "is_clean_merge", repository=repository, head_sha=head, base=base, merged_sha=merged
        )
        return bool(answer["clean"])

    async def _call(self, tool: str, **arguments: Any) -> Any:
        return all_storable(await self._client.call(tool, arguments))


def without_our_status(pull: Snapshot) -> Snapshot:
    """The snapshot without the status that the rig itself sets, which must neither pass nor hold its own gate.

    Where every check was skipped nothing was tested: a change to the workflows could see to that.
    """
    checks = [check for check in pull.checks if (check.kind, check.name) != ("status", STATUS_CONTEXT)]
    states = {check.state for check in checks}
    for state in ("failure", "pending"):
        if state in states:
            return msgspec.structs.replace(pull, checks=checks, checks_state=state)
    return msgspec.structs.replace(pull, checks=checks, checks_state="success" if "success" in states else "none")


def rows(answer: Any) -> list[dict[str, Any]]:
    """A tool's list, which is the only field of its answer whatever the field's name."""
    return cast(list[dict[str, Any]], next(iter(answer.values())))
