"""Tools that say what a pull request changes and who stands behind the owners of its files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Annotated, Any, cast
from urllib.parse import quote

from github import GithubException
from github.Repository import Repository as GitHubRepository
from pydantic import BaseModel, Field

from servers.github.arguments import FilePath, Number, Repository, Sha
from servers.github.client import Repo
from servers.github.failures import status_of
from servers.github.toolbox import READERS, AccessDep, tools
from servers.github.trees import Json, child, children
from servers.kit.errors import Conflict, Forbidden, InvalidInput, NotFound
from servers.kit.tools import READ_WORLD

FILES_LIMIT = 3_000
PAGE = 100
PATCHES_LIMIT = 1_500_000
CONTENTS_LIMIT = 60
TEXT_LIMIT = 500_000
BASE_SECONDS = 3600.0
OWNERS_SECONDS = 600.0

Pattern = Annotated[str, Field(min_length=1, max_length=200)]
Owner = Annotated[str, Field(pattern=r"^@?[^\s@]+(?:/[^\s@]+|@[^\s@]+)$", max_length=320)]


class Change(BaseModel):
    path: str
    previous_path: str | None = Field(description="Where a renamed file was before")
    status: str = Field(description="added, removed, modified, renamed, copied, changed or unchanged")
    additions: int
    blob: str = Field(description="SHA of the file's content")
    patch: str | None = Field(description="Hunks; null for a binary file and where there is too much to show")


class Content(BaseModel):
    path: str
    previous_path: str | None
    before: str | None = Field(description="The text at the base; null where the file is not there")
    after: str | None = Field(description="The text at the head; null where the file is not there")
    readable: bool = Field(description="False where it is no text in UTF-8, too large, or one of too many")


class BaseFile(BaseModel):
    path: str
    text: str | None = Field(description="Null where it is there but no text in UTF-8, or too large")


class Changes(BaseModel):
    files: list[Change]
    complete: bool = Field(description="False where the pull request changes more files than GitHub lists: 3,000")
    contents: list[Content] = Field(description="Changed files whose name matches, before and after")
    base: list[BaseFile] = Field(description="Those of the asked files that the base has")


class Owners(BaseModel):
    accounts: dict[str, list[str] | None] = Field(
        description="Logins behind each owner; null where GitHub hides them"
    )


@tools.tool(READ_WORLD, READERS)
async def get_changes(
    repository: Repository,
    number: Number,
    head_sha: Sha,
    base_sha: Sha,
    access: AccessDep,
    contents: Annotated[list[Pattern], Field(description="File names, with * and ?, to read in full", max_length=50)],
    base_files: Annotated[list[FilePath], Field(description="Paths to read at the base", max_length=10)],
) -> Changes:
    """Read what a pull request changes at `head_sha`, with patches, and named files of its base.

    At most 3,000 files, 1,500,000 characters of patches and 60 full files of 500,000 bytes; what is beyond is
    marked. Fails with conflict where the head moved meanwhile.
    """
    repo = access.reading(repository)
    files, read = await asyncio.gather(
        repo.run(lambda opened: _files(opened, number, head_sha)),
        asyncio.gather(*(_base_text(repo, path, base_sha) for path in base_files)),
    )
    named = [file for file in files if _matches(contents, file.path)]
    wanted = await asyncio.gather(*(_content(repo, file, base_sha, head_sha) for file in named[:CONTENTS_LIMIT]))
    unread = [_unread(file) for file in named[CONTENTS_LIMIT:]]
    there = [BaseFile(path=path, text=text) for path, (found, text) in zip(base_files, read, strict=True) if found]
    return Changes(files=files, complete=len(files) < FILES_LIMIT, contents=[*wanted, *unread], base=there)


def _files(repo: GitHubRepository, number: int, head: str) -> list[Change]:
    found: list[Json] = []
    for page in range(1, FILES_LIMIT // PAGE + 1):
        path = f"{repo.url}/pulls/{number}/files?per_page={PAGE}&page={page}"
        some = cast(list[Json], repo.requester.requestJsonAndCheck("GET", path)[1])
        found += some
        if len(some) < PAGE:
            break
    pull: Any = repo.requester.requestJsonAndCheck("GET", f"{repo.url}/pulls/{number}")[1]
    if child(pull, "head").get("sha") != head:
        raise Conflict(f"The head of #{number} moved while its changes were read. Read them again.")
    return list(_shown(found))


def _shown(found: Iterable[Json]) -> Iterable[Change]:
    left = PATCHES_LIMIT
    for file in found:
        patch = file.get("patch")
        if patch is not None and len(patch) > left:
            patch = None
        left -= len(patch or "")
        yield Change(
            path=file["filename"],
            previous_path=file.get("previous_filename") if file["status"] == "renamed" else None,
            status=file["status"],
            additions=file["additions"],
            blob=file.get("sha") or "",
            patch=patch,
        )


def _matches(patterns: list[str], path: str) -> bool:
    name = path.lower().rpartition("/")[2]
    return any(fnmatchcase(name, pattern.rpartition("/")[2].lower()) for pattern in patterns)


async def _content(repo: Repo, file: Change, base: str, head: str) -> Content:
    before, after = await asyncio.gather(
        _text(repo, file.previous_path or file.path, base) if file.status != "added" else _nothing(),
        _text(repo, file.path, head) if file.status != "removed" else _nothing(),
    )
    return Content(
        path=file.path,
        previous_path=file.previous_path,
        before=before[1],
        after=after[1],
        readable=all(text is not None or not found for found, text in (before, after)),
    )


def _unread(file: Change) -> Content:
    return Content(path=file.path, previous_path=file.previous_path, before=None, after=None, readable=False)


async def _nothing() -> tuple[bool, str | None]:
    return False, None


async def _text(repo: Repo, path: str, sha: str) -> tuple[bool, str | None]:
    """Whether a commit has the file, and its text if it is one."""
    return await repo.run(lambda opened: _read(opened, path, sha))


async def _base_text(repo: Repo, path: str, sha: str) -> tuple[bool, str | None]:
    """The same for a file that is asked for again and again."""
    key = ("text", repo.account, repo.name.lower(), sha, path)
    return await repo.github.kept.get(key, BASE_SECONDS, lambda: _text(repo, path, sha))


def _read(repo: GitHubRepository, path: str, sha: str) -> tuple[bool, str | None]:
    try:
        found = repo.get_contents(path, sha)
    except GithubException as error:
        if status_of(error) == 404:
            return False, None
        raise
    if isinstance(found, list) or found.type != "file" or found.size > TEXT_LIMIT:
        return True, None
    with suppress(UnicodeDecodeError, AssertionError):
        return True, found.decoded_content.decode("utf-8")
    return True, None


@tools.tool(READ_WORLD, READERS)
async def resolve_owners(
    repository: Repository,
    owners: Annotated[list[Owner], Field(description="Teams as @org/team, and e-mail addresses", max_length=50)],
    access: AccessDep,
) -> Owners:
    """Tell which accounts stand behind teams and public e-mail addresses; at most ten minutes old.

    A team is read as far as the rig's identity may see it (read access to the organization's members).
    """
    repo = access.reading(repository)
    found = await asyncio.gather(*(_accounts(repo, owner) for owner in owners))
    return Owners(accounts=dict(zip(owners, found, strict=True)))


async def _accounts(repo: Repo, owner: str) -> list[str] | None:
    async def ask() -> list[str] | None:
        with suppress(NotFound, Forbidden, InvalidInput):
            return await repo.run(
                lambda opened: _members(opened, owner) if "/" in owner else _by_email(opened, owner)
            )
        return None

    return await repo.github.kept.get(("owner", repo.account, owner.lower()), OWNERS_SECONDS, ask)


def _members(repo: GitHubRepository, team: str) -> list[str]:
    organization, _, slug = team.removeprefix("@").partition("/")
    found: list[str] = []
    for page in range(1, 11):
        path = f"/orgs/{quote(organization)}/teams/{quote(slug)}/members?per_page={PAGE}&page={page}"
        some = cast(list[Json], repo.requester.requestJsonAndCheck("GET", path)[1])
        found += [str(member["login"]) for member in some]
        if len(some) < PAGE:
            break
    return found


def _by_email(repo: GitHubRepository, address: str) -> list[str] | None:
    path = f"/search/users?q={quote(address)}+in:email&per_page=2"
    found = children(repo.requester.requestJsonAndCheck("GET", path)[1], "items")
    return [str(found[0]["login"])] if len(found) == 1 else None
