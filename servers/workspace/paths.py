"""Finds a path below one folder without ever leaving it, symbolic links and races included."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers.kit.errors import Conflict, Forbidden, InvalidInput, NotFound
from servers.workspace.text import is_text

MAX_LINKS = 40
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Place:
    """A name in an open folder; `path` is where that is, seen from the root, with all links resolved."""

    folder: int
    name: str
    path: str

    def status(self) -> os.stat_result | None:
        """What is there, or None."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


@contextmanager
def find(root: Path, path: str, *, create_folders: bool = False) -> Generator[Place]:
    """Walk from `root` to `path`, one open folder at a time, resolving links by hand.

    Args:
        path: Relative to `root`; an absolute path is accepted if it lies below `root`.
        create_folders: Make the folders on the way that do not exist.

    Raises:
        Forbidden: The path leaves `root`.
        NotFound: A folder on the way does not exist.
        InvalidInput: It is no path, or something on the way is no folder.
    """
    walk = _Walk(root, path, create_folders)
    try:
        yield walk.run()
    finally:
        walk.close()


class _Walk:
    def __init__(self, root: Path, path: str, create_folders: bool) -> None:
        if "\0" in path or len(path) > 4096 or not is_text(path):
            raise InvalidInput("A path has at most 4096 characters, no NUL and no half characters.")
        self._root, self._path, self._create = root, path, create_folders
        self._pending: deque[str] = deque()
        self._names: list[str] = []
        self._folders: list[int] = []
        self._links = 0

    def run(self) -> Place:
        self._folders.append(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        self._follow(self._path)
        while self._pending:
            part = self._pending.popleft()
            if part == "..":
                self._ascend()
            elif (target := self._link(part)) is not None:
                self._follow(target)
            elif not self._pending:
                return Place(self._folders[-1], part, "/".join([*self._names, part]))
            else:
                self._descend(part)
        return Place(self._folders[-1], ".", "/".join(self._names) or ".")

    def close(self) -> None:
        for folder in self._folders:
            os.close(folder)

    def _follow(self, path: str) -> None:
        if path.startswith("/"):
            path = self._below_root(path)
            while self._names:
                self._ascend()
        self._pending.extendleft(reversed([part for part in path.split("/") if part not in ("", ".")]))

    def _below_root(self, path: str) -> str:
        try:
            return str(Path(os.path.normpath(path)).relative_to(self._root))
        except ValueError as error:
            raise _outside(self._path) from error

    def _ascend(self) -> None:
        if not self._names:
            raise _outside(self._path)
        self._names.pop()
        os.close(self._folders.pop())

    def _link(self, part: str) -> str | None:
        try:
            status = os.stat(part, dir_fd=self._folders[-1], follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode):
                return None
            self._links += 1
            if self._links > MAX_LINKS:
                raise InvalidInput(f"{self._path} goes through a loop of symbolic links.")
            return os.readlink(part, dir_fd=self._folders[-1])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidInput(f"{self._path} cannot be reached ({error.strerror}).") from error

    def _descend(self, part: str) -> None:
        here = self._folders[-1]
        try:
            if self._create:
                refuse_git("/".join([*self._names, part]))
                _make_folder(part, here)
            self._folders.append(os.open(part, FOLDER_FLAGS, dir_fd=here))
        except FileNotFoundError as error:
            missing = "/".join([*self._names, part])
            raise NotFound(f"There is no folder {missing}. list_files shows what there is.") from error
        except NotADirectoryError as error:
            raise InvalidInput(f"{'/'.join([*self._names, part])} is not a folder.") from error
        except OSError as error:
            raise Conflict(f"{self._path} cannot be opened ({error.strerror}).") from error
        self._names.append(part)


def _make_folder(name: str, folder: int) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return


def _outside(path: str) -> Forbidden:
    return Forbidden(f"{path} leads out of the workspace. Use paths relative to the workspace.")


def refuse_git(path: str) -> None:
    """Refuse to write what git keeps for itself, in any spelling that some file system takes for `.git`.

    Raises:
        Forbidden: A part of the path is `.git`.
    """
    for part in path.split("/"):
        visible = "".join(c for c in part if unicodedata.category(c) != "Cf")
        if visible.casefold().rstrip(". ") == ".git" or visible.casefold().startswith("git~"):
            raise Forbidden(f"{path} belongs to git. Use git commands in run_command where you need them.")
