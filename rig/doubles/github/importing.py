"""Writing whole commits at once, by `git fast-import`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rig.doubles.github.plumbing import git
from rig.doubles.github.repos import Person


@dataclass(frozen=True)
class File:
    content: bytes | None
    executable: bool = False


@dataclass(frozen=True)
class Change:
    """A commit to be: files written or, without content, removed; `fresh` forgets what was there."""

    author: Person
    message: str
    files: dict[str, File]
    fresh: bool = False


def files_of(directory: Path) -> dict[str, File]:
    """Everything in a directory but a repository of its own and compiled Python."""
    found: dict[str, File] = {}
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if path.is_file() and not {".git", "__pycache__"} & {*parts}:
            found["/".join(parts)] = File(path.read_bytes(), os.access(path, os.X_OK))
    return found


async def write(path: Path, ref: str, parent: str | None, changes: list[Change]) -> None:
    """Put the changes on the ref, one after another."""
    stream = b"".join(part for n, change in enumerate(changes) for part in _record(ref, parent, n == 0, change))
    await git(path, "fast-import", "--quiet", stdin=stream)


def _record(ref: str, parent: str | None, first: bool, change: Change) -> Iterator[bytes]:
    who = f"{change.author.name} <{change.author.email}> {int(change.author.at.timestamp())} +0000"
    yield f"commit {ref}\nauthor {who}\ncommitter {who}\n".encode()
    yield _data(change.message.encode())
    if first and parent:
        yield f"from {parent}\n".encode()
    if change.fresh:
        yield b"deleteall\n"
    for name, file in change.files.items():
        if file.content is None:
            yield f"D {_quoted(name)}\n".encode()
        else:
            mode = "100755" if file.executable else "100644"
            yield f"M {mode} inline {_quoted(name)}\n".encode() + _data(file.content)
    yield b"\n"


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
