"""What a webhook points at: pure, tolerant of unknown fields, indifferent to order and repetition.

A delivery only says where to look; the facts come from a fresh read of GitHub, so late, early, repeated and
lost deliveries all end in the same state.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from conductor.comments import STATUS_CONTEXT
from servers.kit.errors import InvalidInput


@dataclass(frozen=True)
class IssueSeen:
    repository: str
    number: int


@dataclass(frozen=True)
class IssueGone:
    """An issue was deleted or moved to another repository; its number here is never given again."""

    repository: str
    number: int


@dataclass(frozen=True)
class PullSeen:
    repository: str
    number: int


@dataclass(frozen=True)
class GroupSeen:
    """GitHub's merge queue tests a pull request together with the base, at a commit of its own."""

    repository: str
    number: int
    sha: str


@dataclass(frozen=True)
class HeadSeen:
    """Something happened at a commit, perhaps the head of one of our pull requests."""

    repository: str
    sha: str


@dataclass(frozen=True)
class BaseSeen:
    """A branch moved, came or went: pull requests against it or from it may stand differently now."""

    repository: str
    branch: str


@dataclass(frozen=True)
class DeploymentSeen:
    """Something was deployed or ran at a commit, perhaps one that we merged."""

    repository: str
    sha: str


@dataclass(frozen=True)
class RepositorySeen:
    """A repository changed as a whole: its name, its owner, whether we may see it.

    Attributes:
        id: GitHub's number of it, where the delivery says so.
        before: Its name until now, where it has a new one.
    """

    repository: str
    id: int | None = None
    before: str | None = None


@dataclass(frozen=True)
class AccountSeen:
    """What an App may see of an account changed, without saying in which repositories."""

    account: str


WithinRepository = IssueSeen | IssueGone | PullSeen | GroupSeen | HeadSeen | BaseSeen | DeploymentSeen
Sighting = WithinRepository | RepositorySeen | AccountSeen
Payload = dict[str, Any]
BIGGEST = 2**31 - 1
QUEUED = re.compile(r"/pr-(\d{1,9})-[0-9a-f]+$")


def translate(event: str, payload: Payload) -> list[Sighting] | str:
    """Where to look because of a delivery, or a sentence that says why it does not concern the rig.

    Args:
        event: The `X-GitHub-Event` header.
        payload: The parsed body.

    Raises:
        InvalidInput: A field that GitHub always sends is missing or of another type.
    """
    translator = TRANSLATORS.get(event)
    return translator(payload) if translator else f"{event} does not concern the rig."


def _get(payload: Payload, *path: str, kind: type[Any]) -> Any:
    value: Any = payload
    for key in path:
        if not isinstance(value, dict) or key not in value:
            raise InvalidInput(f"The payload has no {'.'.join(path)}.")
        value = cast(Payload, value)[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidInput(f"{'.'.join(path)} is not of type {kind.__name__}.")
    if isinstance(value, str) and not value.isprintable():
        raise InvalidInput(f"{'.'.join(path)} holds characters that no name has.")
    return value


def _maybe(payload: Payload, *path: str, kind: type[Any]) -> Any:
    """The same where it is said at all and makes sense, else None."""
    try:
        return _get(payload, *path, kind=kind)
    except InvalidInput:
        return None


def _repository(payload: Payload) -> str:
    return str(_get(payload, "repository", "full_name", kind=str))


def _number(payload: Payload, *path: str) -> int:
    number = int(_get(payload, *path, kind=int))
    if not 1 <= number <= BIGGEST:
        raise InvalidInput(f"{'.'.join(path)} is a number that nothing has.")
    return number


def _issue(payload: Payload) -> list[Sighting]:
    gone = payload.get("action") in ("deleted", "transferred")
    kind = IssueGone if gone else IssueSeen
    found: list[Sighting] = [kind(_repository(payload), _number(payload, "issue", "number"))]
    new = _maybe(payload, "changes", "new_repository", "full_name", kind=str)
    number = _maybe(payload, "changes", "new_issue", "number", kind=int)
    return [*found, IssueSeen(new, number)] if new and number and 1 <= number <= BIGGEST else found


def _related(*keys: str) -> Callable[[Payload], list[Sighting]]:
    """Both ends of a relation between issues; the far one may be in another repository."""

    def both(payload: Payload) -> list[Sighting]:
        return [IssueSeen(_home(payload, key), _number(payload, key, "number")) for key in keys]

    return both


def _home(payload: Payload, key: str) -> str:
    return _maybe(payload, f"{key}_repo", "full_name", kind=str) or _repository(payload)


def _pull(payload: Payload) -> list[Sighting]:
    return [PullSeen(_repository(payload), _number(payload, "pull_request", "number"))]


def _comment(payload: Payload) -> list[Sighting]:
    repository, number = _repository(payload), _number(payload, "issue", "number")
    on_pull = _maybe(payload, "issue", "pull_request", kind=dict) is not None
    return [PullSeen(repository, number) if on_pull else IssueSeen(repository, number)]


def _completed(what: str, sighting: Callable[[str, str], Sighting]) -> Callable[[Payload], list[Sighting] | str]:
    def translator(payload: Payload) -> list[Sighting] | str:
        if payload.get("action") != "completed":
            return f"A {what.replace('_', ' ')} tells nothing until it is completed."
        return [sighting(_repository(payload), _get(payload, what, "head_sha", kind=str))]

    return translator


def _status(payload: Payload) -> list[Sighting] | str:
    if payload.get("context") == STATUS_CONTEXT:
        return "The status is the rig's own."
    return [HeadSeen(_repository(payload), _get(payload, "sha", kind=str))]


def _push(payload: Payload) -> list[Sighting] | str:
    ref = str(_get(payload, "ref", kind=str))
    if ref.startswith("refs/tags/"):
        return "A tag does not concern the rig."
    return [BaseSeen(_repository(payload), ref.removeprefix("refs/heads/"))]


def _branch(payload: Payload) -> list[Sighting] | str:
    if payload.get("ref_type") == "tag":
        return "A tag does not concern the rig."
    return [BaseSeen(_repository(payload), _get(payload, "ref", kind=str))]


def _merge_group(payload: Payload) -> list[Sighting]:
    queued = QUEUED.search(_get(payload, "merge_group", "head_ref", kind=str))
    if queued and int(queued[1]) >= 1:
        repository, number = _repository(payload), int(queued[1])
        if payload.get("action") == "checks_requested":
            return [GroupSeen(repository, number, _get(payload, "merge_group", "head_sha", kind=str))]
        return [PullSeen(repository, number)]
    base = str(_get(payload, "merge_group", "base_ref", kind=str))
    return [BaseSeen(_repository(payload), base.removeprefix("refs/heads/"))]


def _deployment(payload: Payload) -> list[Sighting]:
    return [DeploymentSeen(_repository(payload), _get(payload, "deployment", "sha", kind=str))]


def _installed(payload: Payload) -> list[Sighting]:
    lists = [_maybe(payload, f"repositories{which}", kind=list) for which in ("", "_added", "_removed")]
    named = [one for found in lists for one in cast(list[Any], found or [])]
    names = [_maybe({"repository": one}, "repository", "full_name", kind=str) for one in named]
    seen: list[Sighting] = [RepositorySeen(name) for name in names if name]
    return seen or [AccountSeen(_get(payload, "installation", "account", "login", kind=str))]


def _moved(payload: Payload) -> list[Sighting]:
    name, number = _repository(payload), _maybe(payload, "repository", "id", kind=int)
    return [RepositorySeen(name, number, _name_before(payload, *name.partition("/")[::2]))]


def _name_before(payload: Payload, owner: str, name: str) -> str | None:
    if old := _maybe(payload, "changes", "repository", "name", "from", kind=str):
        return f"{owner}/{old}"
    for kind in ("user", "organization"):
        if old := _maybe(payload, "changes", "owner", "from", kind, "login", kind=str):
            return f"{old}/{name}"
    return None


TRANSLATORS: dict[str, Callable[[Payload], list[Sighting] | str]] = {
    "issues": _issue,
    "sub_issues": _related("parent_issue", "sub_issue"),
    "issue_dependencies": _related("blocked_issue", "blocking_issue"),
    "issue_comment": _comment,
    "pull_request": _pull,
    "pull_request_review": _pull,
    "pull_request_review_comment": _pull,
    "pull_request_review_thread": _pull,
    "check_run": _completed("check_run", HeadSeen),
    "check_suite": _completed("check_suite", HeadSeen),
    "status": _status,
    "push": _push,
    "create": _branch,
    "delete": _branch,
    "merge_group": _merge_group,
    "deployment": _deployment,
    "deployment_status": _deployment,
    "workflow_run": _completed("workflow_run", DeploymentSeen),
    "installation": _installed,
    "installation_repositories": _installed,
    "repository": _moved,
}
