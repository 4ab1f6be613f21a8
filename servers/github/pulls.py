"""Tools for pull requests, their diffs and files."""

from __future__ import annotations

import re
from itertools import islice
from typing import Annotated

from github import GithubException
from github.ContentFile import ContentFile
from github.GithubObject import NotSet
from github.PullRequest import PullRequest as GitHubPullRequest
from github.Repository import Repository as GitHubRepository
from pydantic import Field

from servers.github import snapshot
from servers.github.arguments import As, Body, Branch, FilePath, Limit, Number, Ref, Repository, Sha, State, Title
from servers.github.failures import words
from servers.github.issues import login_of
from servers.github.marks import harmless
from servers.github.models import (
    ChangedFile,
    ChangedFiles,
    Diff,
    FileAnswer,
    OpenedPullRequest,
    PullRequest,
    PullRequestList,
    PullRequestState,
    PullRequestSummary,
    Snapshot,
    UpdatedBranch,
)
from servers.github.toolbox import AUTHORS, READERS, AccessDep, tools
from servers.github.trees import child
from servers.kit.errors import Conflict, InvalidInput, NotFound, TooLarge
from servers.kit.tools import READ_WORLD, WRITE_WORLD

DIFF_LIMIT = 200_000
FILE_LIMIT = 500_000
FILES_LIMIT = 1_000


@tools.tool(READ_WORLD, READERS)
async def get_pull_request(repository: Repository, number: Number, access: AccessDep) -> PullRequest:
    """Read one pull request; its checks, reviews and threads are in get_pull_request_snapshot."""

    def read(repo: GitHubRepository) -> PullRequest:
        pull = repo.get_pull(number)
        return PullRequest(
            **_summary(repository, pull).model_dump(),
            body=pull.body or "",
            labels=[label.name for label in pull.labels],
            base_sha=pull.base.sha,
            additions=pull.additions,
            deletions=pull.deletions,
            files_changed=pull.changed_files,
            merged_sha=pull.merge_commit_sha if pull.merged_at else None,
        )

    return await access.reading(repository).run(read)


@tools.tool(READ_WORLD, READERS)
async def get_pull_request_snapshot(repository: Repository, number: Number, access: AccessDep) -> Snapshot:
    """Read everything that decides about merging, bound to one head SHA.

    Only the last opinion of each person who may write to the repository is in `reviews`. Waits about a second
    for GitHub to compute whether the branch merges; `mergeable` is unknown where it takes longer.
    """
    return await snapshot.take(access.reading(repository), number)


@tools.tool(READ_WORLD, READERS)
async def list_pull_requests(
    repository: Repository,
    access: AccessDep,
    state: State = "open",
    head: Annotated[Branch | None, Field(description="Only from this branch of the repository")] = None,
    base: Annotated[Branch | None, Field(description="Only into this branch")] = None,
    limit: Limit = 100,
) -> PullRequestList:
    """List pull requests, the most recently opened first."""

    def read(repo: GitHubRepository) -> PullRequestList:
        found = repo.get_pulls(state=state, sort="created", direction="desc", **_ends(repository, head, base))
        return PullRequestList(pull_requests=[_summary(repository, pull) for pull in islice(found, limit)])

    return await access.reading(repository).run(read)


@tools.tool(READ_WORLD, READERS)
async def get_diff(
    repository: Repository,
    number: Number,
    access: AccessDep,
    path: Annotated[FilePath | None, Field(description="Only the changes of this file")] = None,
) -> Diff:
    """Read the unified diff of a pull request, at most 200,000 characters of it.

    Fails with too_large where GitHub itself gives up: read list_changed_files and get_file then.
    """

    def read(repo: GitHubRepository) -> str:
        status, headers, text = repo.requester.requestJson(
            "GET", f"{repo.url}/pulls/{number}", headers={"Accept": "application/vnd.github.diff"}
        )
        if status >= 400:
            raise repo.requester.createException(status, headers, {"message": text[:300]})
        return text

    text = await access.reading(repository).run(read)
    if path is not None:
        text = "".join(part for part in _files(text) if _touches(part, path))
        if not text:
            raise NotFound(f"#{number} does not change {path}. list_changed_files shows what it changes.")
    return Diff(diff=text[:DIFF_LIMIT], truncated=len(text) > DIFF_LIMIT)


@tools.tool(READ_WORLD, READERS)
async def list_changed_files(repository: Repository, number: Number, access: AccessDep) -> ChangedFiles:
    """List the files that a pull request changes, at most 1,000."""

    def read(repo: GitHubRepository) -> ChangedFiles:
        found = list(islice(repo.get_pull(number).get_files(), FILES_LIMIT + 1))
        files = [
            ChangedFile(
                path=file.filename,
                previous_path=file.previous_filename if file.status == "renamed" else None,
                status=file.status,
                additions=file.additions,
                deletions=file.deletions,
            )
            for file in found[:FILES_LIMIT]
        ]
        return ChangedFiles(files=files, truncated=len(found) > FILES_LIMIT)

    return await access.reading(repository).run(read)


@tools.tool(READ_WORLD, READERS)
async def get_file(
    repository: Repository,
    path: FilePath,
    access: AccessDep,
    ref: Annotated[Ref | None, Field(description="Branch, tag or commit; by default the main branch")] = None,
) -> FileAnswer:
    """Read one text file of a repository, up to 500,000 bytes."""

    def read(repo: GitHubRepository) -> ContentFile | list[ContentFile]:
        return repo.get_contents(path, ref) if ref else repo.get_contents(path)

    found = await access.reading(repository).run(read)
    if isinstance(found, list) or found.type != "file":
        raise InvalidInput(f"{path} is a folder, a link or a submodule, not a file.")
    if found.size > FILE_LIMIT:
        raise TooLarge(f"{path} has {found.size} bytes, more than {FILE_LIMIT}. Read it in a clone.")
    try:
        text = found.decoded_content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not text in UTF-8. Read it in a clone.") from error
    return FileAnswer(path=path, content=text, sha=found.sha)


@tools.tool(WRITE_WORLD, AUTHORS)
async def open_pull_request(
    repository: Repository,
    head: Branch,
    base: Branch,
    title: Title,
    body: Body,
    access: AccessDep,
    draft: bool = False,
    identity: As = None,
) -> OpenedPullRequest:
    """Open a pull request between two branches of the repository, unless one is open between them already.

    One that is open is answered as it is: change its title or body with update_pull_request.
    """
    repo = await access.writing(repository, identity)

    def look(repo: GitHubRepository) -> GitHubPullRequest | None:
        return next(iter(repo.get_pulls(state="open", **_ends(repository, head, base))), None)

    def write(repo: GitHubRepository) -> GitHubPullRequest:
        return repo.create_pull(base, head, title=title, body=harmless(body), draft=draft)

    pull, created = await repo.once(f"pull {base} {head}", look, write)
    return OpenedPullRequest(number=pull.number, url=pull.html_url, head_sha=pull.head.sha, created=created)


@tools.tool(WRITE_WORLD, AUTHORS)
async def update_pull_request(
    repository: Repository,
    number: Number,
    access: AccessDep,
    title: Annotated[Title | None, Field(description="New title")] = None,
    body: Annotated[Body | None, Field(description="New body")] = None,
    state: Annotated[State | None, Field(description="open or closed")] = None,
    identity: As = None,
) -> PullRequestSummary:
    """Change the title, the body or the state of a pull request; what is not given stays."""
    if state == "all":
        raise InvalidInput("A pull request is open or closed.")

    def write(repo: GitHubRepository) -> PullRequestSummary:
        pull = repo.get_pull(number)
        pull.edit(
            title=NotSet if title is None else title,
            body=NotSet if body is None else harmless(body),
            state=NotSet if state is None else state,
        )
        return _summary(repository, pull)

    return await (await access.writing(repository, identity)).run(write)


@tools.tool(WRITE_WORLD, AUTHORS)
async def update_branch(
    repository: Repository, number: Number, head_sha: Sha, access: AccessDep, identity: As = None
) -> UpdatedBranch:
    """Merge the base into the head of a pull request, if the head is still `head_sha`.

    GitHub does it shortly after it answers. Fails with conflict where the branches conflict or the head moved.
    """

    def write(repo: GitHubRepository) -> UpdatedBranch:
        try:
            _, answer = repo.requester.requestJsonAndCheck(
                "PUT", f"{repo.url}/pulls/{number}/update-branch", input={"expected_head_sha": head_sha}
            )
        except GithubException as error:
            if error.status != 422:
                raise
            if "no new commits" in words(error).lower():
                return UpdatedBranch(updated=False, message=words(error))
            raise Conflict(f"GitHub does not update the branch: {words(error)}.") from error
        return UpdatedBranch(updated=True, message=str(child(answer).get("message", "")))

    return await (await access.writing(repository, identity)).run(write)


def _state(pull: GitHubPullRequest) -> PullRequestState:
    """Open, closed or merged."""
    if pull.merged_at:
        return "merged"
    return "open" if pull.state == "open" else "closed"


def _summary(repository: str, pull: GitHubPullRequest) -> PullRequestSummary:
    return PullRequestSummary(
        repository=repository,
        number=pull.number,
        title=pull.title,
        url=pull.html_url,
        state=_state(pull),
        draft=pull.draft,
        author=login_of(pull.user),
        head_ref=pull.head.ref,
        head_sha=pull.head.sha,
        base_ref=pull.base.ref,
        updated_at=pull.updated_at or pull.created_at,
    )


def _ends(repository: str, head: str | None, base: str | None) -> dict[str, str]:
    owner = repository.partition("/")[0]
    ends = {"head": f"{owner}:{head}" if head else None, "base": base}
    return {name: value for name, value in ends.items() if value}


def _files(diff: str) -> list[str]:
    return [part for part in re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE) if part]


def _touches(part: str, path: str) -> bool:
    first = part.partition("\n")[0]
    return first.endswith(f" b/{path}") or first.startswith(f"diff --git a/{path} ")
