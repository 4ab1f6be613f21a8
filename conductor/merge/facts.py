"""A pull request with everything that the gate decides on; files are read only once their review has passed."""

from __future__ import annotations

import msgspec

from conductor.github import GitHub, SeenChanges
from conductor.issues.issue import Issue
from conductor.merge import manifests, owners
from conductor.merge.policy import Policy, of_repository
from conductor.merge.snapshot import Changes, Snapshot
from servers.kit import repository as settings
from servers.kit.errors import Conflict, InvalidInput, Unavailable
from servers.kit.logs import get

AT_THE_GATE = frozenset({"ready_to_merge", "merging", "awaiting_human"})
BASE_FILES = [*owners.PLACES, settings.FILE]
log = get(__name__)


async def read_pull(
    github: GitHub, issue: Issue, repository: str, number: int, policy: Policy
) -> tuple[Snapshot, Policy]:
    """The pull request now, and the policy that its base lays down; `policy` where nobody asks for it yet.

    Raises:
        NotFound: There is no such pull request.
        Unavailable: The head moved meanwhile, or GitHub does not answer.
    """
    pull = await github.snapshot(repository, number)
    if issue.status not in AT_THE_GATE or pull.state != "open":
        return pull, policy
    try:
        seen = await github.changes(repository, number, pull.head_sha, pull.base_sha, manifests.PATTERNS, BASE_FILES)
    except Conflict as error:
        raise Unavailable(str(error)) from error
    return await _judged(github, pull, seen)


async def _judged(github: GitHub, pull: Snapshot, seen: SeenChanges) -> tuple[Snapshot, Policy]:
    there = {file.path: file.text for file in seen.base}
    policy, mistake = _policy(there, pull)
    place = next((path for path in owners.PLACES if path in there), None)
    text = there[place] if place else ""
    if text is None:
        mistake = mistake or f"`{place}` is no text, or too large to read."
    changes = Changes(
        files=seen.files,
        complete=seen.complete and len(seen.files) >= pull.files_changed,
        contents=seen.contents,
        code_owners=text or "",
        mistake=mistake,
    )
    if text and (policy.code_owners == "required" or pull.requires_code_owners):
        accounts = await _accounts(github, pull, changes)
        changes = msgspec.structs.replace(changes, accounts=accounts)
    return msgspec.structs.replace(pull, changes=changes), policy


def _policy(there: dict[str, str | None], pull: Snapshot) -> tuple[Policy, str]:
    """What the base's file says, and why it cannot be read: then everything that is built in holds."""
    if settings.FILE not in there:
        return Policy(), ""
    text = there[settings.FILE]
    if text is None:
        return Policy(), f"`{settings.FILE}` is no text, or too large to read."
    try:
        return of_repository(settings.parse(text).policy), ""
    except InvalidInput as error:
        log.warning("the repository's settings cannot be read", repository=pull.repository, error=str(error))
        return Policy(), f"`{settings.FILE}` cannot be read: {' '.join(str(error).split())[:300]}"


async def _accounts(github: GitHub, pull: Snapshot, changes: Changes) -> dict[str, list[str] | None]:
    """Who stands behind the teams and addresses that own what the pull request changes."""
    known = owners.read(changes.code_owners)
    if known.warnings:
        log.warning("CODEOWNERS has lines that do not count", repository=pull.repository, lines=known.warnings[:20])
    paths = [path for file in changes.files for path in (file.path, file.previous_path) if path]
    wanted = owners.to_resolve(owner for whose in owners.needed(known, paths) for owner in whose)
    return await github.accounts(pull.repository, wanted[:50]) if wanted else {}
