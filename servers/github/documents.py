"""Tools with which the conductor proposes documents: it sees those there are, and commits to branches of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from github import GithubException
from github.ContentFile import ContentFile
from github.Repository import Repository as GitHubRepository
from pydantic import BaseModel, Field

from servers.github.arguments import Branch, FilePath, Repository, Title
from servers.github.toolbox import SERVERS, AccessDep, tools
from servers.kit.errors import InvalidInput, NotFound
from servers.kit.tools import READ_WORLD, WRITE_WORLD

TEXT_LIMIT = 100_000
LISTED = 1_000


class Documents(BaseModel):
    paths: list[str] = Field(description="Markdown files, at most 1,000; empty where there is no such folder")


class Document(BaseModel):
    path: str
    content: str
    changed_at: datetime


class Committed(BaseModel):
    sha: str = Field(description="The branch's head")
    created: bool = Field(description="False where the branch had the file with this content already")


@tools.tool(READ_WORLD, SERVERS)
async def list_documents(
    repository: Repository,
    access: AccessDep,
    folder: Annotated[FilePath | None, Field(description="By default the root")] = None,
) -> Documents:
    """List the Markdown files that stand in a folder of the main branch, without those below it."""

    def read(repo: GitHubRepository) -> list[str]:
        found = _contents(repo, folder or "", repo.default_branch)
        files = found if isinstance(found, list) else []
        return sorted(file.path for file in files if file.type == "file" and file.path.endswith(".md"))[:LISTED]

    return Documents(paths=await access.reading(repository).run(read))


@tools.tool(READ_WORLD, SERVERS)
async def get_document(repository: Repository, path: FilePath, access: AccessDep) -> Document:
    """Read a text file of the main branch, up to 100,000 bytes of it, and when it changed last."""

    def read(repo: GitHubRepository) -> Document:
        found = _file(repo, path, repo.default_branch)
        if found is None:
            raise NotFound(f"{repository} has no {path}.")
        text = found.decoded_content[:TEXT_LIMIT].decode("utf-8", "replace")
        newest = next(iter(repo.get_commits(path=path)))
        return Document(path=path, content=text, changed_at=newest.commit.committer.date)

    return await access.reading(repository).run(read)


@tools.tool(WRITE_WORLD, SERVERS)
async def commit_document(
    repository: Repository,
    branch: Branch,
    path: FilePath,
    content: Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT)],
    message: Title,
    access: AccessDep,
) -> Committed:
    """Write one text file to a branch of its own, once.

    A new branch begins at the head of the main branch, which is itself refused: open a pull request afterwards.
    """
    repo = await access.writing(repository)

    def look(repo: GitHubRepository) -> str | None:
        if branch == repo.default_branch:
            raise InvalidInput(f"{branch} is the main branch of {repository}; documents get there by pull request.")
        known = _file(repo, path, branch)
        return repo.get_branch(branch).commit.sha if known and _says(known, content) else None

    def write(repo: GitHubRepository) -> str:
        _make(repo, branch)
        known = _file(repo, path, branch)
        if known is None:
            return repo.create_file(path, message, content, branch=branch)["commit"].sha
        return repo.update_file(path, message, content, known.sha, branch=branch)["commit"].sha

    sha, created = await repo.once(f"document {branch} {path}", look, write)
    return Committed(sha=sha, created=created)


def _make(repo: GitHubRepository, branch: str) -> None:
    try:
        repo.create_git_ref(f"refs/heads/{branch}", repo.get_branch(repo.default_branch).commit.sha)
    except GithubException as error:
        if error.status != 422:  # it is there already
            raise


def _file(repo: GitHubRepository, path: str, branch: str) -> ContentFile | None:
    found = _contents(repo, path, branch)
    if isinstance(found, list):
        raise InvalidInput(f"{path} is a folder.")
    return found


def _contents(repo: GitHubRepository, path: str, branch: str) -> ContentFile | list[ContentFile] | None:
    try:
        return repo.get_contents(path, branch)
    except GithubException as error:
        if error.status != 404:
            raise
        return None


def _says(file: ContentFile, content: str) -> bool:
    return file.decoded_content == content.encode()
