"""The arguments that tools share, each with its limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from servers.github.settings import Identity


def _as_git_takes_it(ref: str) -> str:
    if ".." in ref or ref.endswith((".lock", "/", ".")) or "//" in ref or "@{" in ref:
        raise ValueError("is not a branch, tag or commit that git accepts")
    return ref


def _inside(path: str) -> str:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in path or not path.isprintable():
        raise ValueError("is not a path from the repository's root such as src/app.py")
    return path


Repository = Annotated[
    str,
    Field(
        description="As owner/repo",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
        max_length=201,
    ),
]
Number = Annotated[int, Field(description="Number of the issue or pull request", ge=1, le=2**31 - 1)]
Sha = Annotated[str, Field(description="Full commit SHA", pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$", max_length=64)]
_GitName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+@#,=-]*$", max_length=250), AfterValidator(_as_git_takes_it)
]
Ref = Annotated[_GitName, Field(description="Branch, tag or commit SHA")]
Branch = Annotated[_GitName, Field(description="Branch of the same repository")]
FilePath = Annotated[
    str,
    Field(description="Path from the repository's root", min_length=1, max_length=1000),
    AfterValidator(_inside),
]
LabelName = Annotated[str, Field(description="Label", min_length=1, max_length=50, pattern=r"^[^\x00-\x1f]+$")]
Labels = Annotated[list[LabelName], Field(description="Labels", max_length=100)]
Title = Annotated[str, Field(description="One line", min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]
Body = Annotated[str, Field(description="Markdown, up to 60,000 characters", max_length=60_000)]
Key = Annotated[
    str,
    Field(
        description="Names this write: repeated under the same key, it happens once",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@#-]*$",
        max_length=200,
    ),
]
Limit = Annotated[int, Field(description="At most so many", ge=1, le=500)]
State = Annotated[Literal["open", "closed", "all"], Field(description="open, closed or all")]
NodeId = Annotated[
    str, Field(description="Thread id from a snapshot", pattern=r"^[A-Za-z0-9_=+/-]+$", max_length=200)
]
As = Annotated[
    Identity | None,
    Field(description="Identity on GitHub; only servers may choose, by default it follows the caller's role"),
]
