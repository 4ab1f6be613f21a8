"""Bare repositories: what the double reads from git and the few ways it writes to them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rig.doubles.github.diffs import FileDiff, Hunk, parse_diff, parse_hunks
from rig.doubles.github.model import ZERO
from rig.doubles.github.plumbing import GitFailed, git, unchanging

CONFIG = """[core]
\trepositoryformatversion = 0
\tbare = true
\tlogAllRefUpdates = false
\thooksPath = /dev/null
[gc]
\tauto = 0
[http]
\treceivepack = true
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
[receive]
\tadvertisePushOptions = false
\tautogc = false
\tfsckObjects = true
[transfer]
\thideRefs = !refs/pull
[receive]
\thideRefs = refs/pull
"""

FULL_NAME = re.compile(r"[0-9a-f]{40}")
COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00%x01"


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    at: datetime

    @property
    def stamp(self) -> str:
        return self.at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: list[str]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True)
class Entry:
    mode: str
    kind: str
    sha: str
    size: int
    path: str


def create(path: Path, default_branch: str) -> None:
    """An empty bare repository, laid down without starting git; what an earlier run left there goes."""
    shutil.rmtree(path, ignore_errors=True)
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/pull", "info"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    (path / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")
    (path / "config").write_text(CONFIG)


async def refs(path: Path) -> dict[str, str]:
    listed = await git(path, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
    return dict(line.split(" ", 1) for line in listed.text.splitlines())


async def resolve(path: Path, revision: str) -> str | None:
    """The commit that a branch, tag or SHA names."""
    if revision.startswith("-"):
        return None
    for name in (f"refs/heads/{revision}", revision):
        found = await git(path, "rev-parse", "-q", "--verify", f"{name}^{{commit}}", expect=(0, 1, 128))
        if found.code == 0:
            return found.text.strip()
    return None


async def log(path: Path, *revisions: str, limit: int = 250, file: str = "") -> list[Commit]:
    """Commits, newest first; with `file` those that changed it."""
    files = [f":(literal){file}"] if file else []
    arguments = ("log", f"--format={COMMIT_FORMAT}", f"-n{limit}", *revisions, "--", *files)
    listed = await git(path, *arguments)
    return [_commit(record) for record in listed.text.split("\x01") if record.strip()]


async def commit(path: Path, sha: str) -> Commit:
    return (await log(path, sha, limit=1))[0]


def _commit(record: str) -> Commit:
    sha, tree, parents, an, ae, at, cn, ce, ct, message, *_ = record.lstrip("\n").split("\0")
    author = Person(an, ae, datetime.fromtimestamp(int(at), UTC))
    committer = Person(cn, ce, datetime.fromtimestamp(int(ct), UTC))
    return Commit(sha, tree, parents.split(), author, committer, message.rstrip("\n"))


async def merge_base(path: Path, one: str, other: str) -> str | None:
    found = await git(path, "merge-base", one, other, expect=(0, 1, 128))  # 128: no such commit
    return found.text.strip() or None


async def is_ancestor(path: Path, ancestor: str, descendant: str) -> bool:
    found = await git(path, "merge-base", "--is-ancestor", ancestor, descendant, expect=(0, 1))
    return found.code == 0


async def diff(path: Path, old: str, new: str) -> list[FileDiff]:
    output = await git(path, "diff", "--raw", "--numstat", "-p", "-z", "-M", "--abbrev=40", old, new, "--")
    return parse_diff(output.text)


async def diff_text(path: Path, old: str, new: str) -> bytes:
    return (await git(path, "diff", "-M", old, new, "--")).out


async def patch_text(path: Path, old: str, new: str) -> bytes:
    return (await git(path, "format-patch", "--stdout", f"{old}..{new}")).out


async def changed_hunks(path: Path, old: str, new: str, file: str) -> list[Hunk]:
    output = await git(path, "diff", "-U0", old, new, "--", file)
    return parse_hunks(output.text)


async def merge_tree(path: Path, base: str, head: str) -> str | None:
    """The tree of a clean merge; None where the two conflict."""
    merged = await git(path, "merge-tree", "--write-tree", "--no-messages", base, head, expect=(0, 1))
    return merged.text.splitlines()[0] if merged.code == 0 else None


async def commit_tree(
    path: Path, tree: str, parents: list[str], message: str, author: Person, committer: Person
) -> str:
    parent_options = [option for parent in parents for option in ("-p", parent)]
    made = await git(
        path,
        "commit-tree",
        tree,
        *parent_options,
        stdin=message.encode(),
        env=_signature("AUTHOR", author) | _signature("COMMITTER", committer),
    )
    return made.text.strip()


def _signature(role: str, who: Person) -> dict[str, str]:
    at = who.at.isoformat()
    return {f"GIT_{role}_NAME": who.name, f"GIT_{role}_EMAIL": who.email, f"GIT_{role}_DATE": at}


async def update_ref(path: Path, ref: str, new: str, old: str = "") -> bool:
    """Move a ref only from where the caller saw it; False when somebody moved it first."""
    arguments = ["-d", ref, *([old] if old else [])] if new == ZERO else [ref, new, *([old] if old else [])]
    try:
        await git(path, "update-ref", *arguments)
    except GitFailed:
        return False
    return True


def point_pull_ref(path: Path, number: int, sha: str) -> None:
    ref = path / "refs" / "pull" / str(number) / "head"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(f"{sha}\n")


async def entries(path: Path, sha: str, file: str) -> list[Entry]:
    """The entry of a path, or of everything in it when it ends in a slash."""
    target = [file] if file else []
    read = unchanging if FULL_NAME.fullmatch(sha) else git
    listed = await read(path, "ls-tree", "-l", "-z", sha, "--", *target)
    found: list[Entry] = []
    for record in filter(None, listed.text.split("\0")):
        meta, name = record.split("\t", 1)
        mode, kind, object_sha, size = meta.split()
        found.append(Entry(mode, kind, object_sha, int(size) if size != "-" else 0, name))
    return found


async def blob(path: Path, sha: str) -> bytes:
    return (await unchanging(path, "cat-file", "blob", sha)).out


@asynccontextmanager
async def scratch_index(path: Path) -> AsyncGenerator[dict[str, str]]:
    with tempfile.TemporaryDirectory(dir=path) as folder:
        yield {"GIT_INDEX_FILE": f"{folder}/index", "GIT_DIR": str(path)}


async def tree_with_file(path: Path, parent: str, file: str, content: bytes | None) -> str:
    """The tree of a commit with one file written, or removed."""
    async with scratch_index(path) as env:
        await git(path, "read-tree", parent, env=env)
        mode, sha = "0", ZERO
        if content is not None:
            mode, sha = "100644", (await git(path, "hash-object", "-w", "--stdin", stdin=content)).text.strip()
        await git(path, "update-index", "-z", "--index-info", stdin=f"{mode} {sha}\t{file}\0".encode(), env=env)
        return (await git(path, "write-tree", env=env)).text.strip()
