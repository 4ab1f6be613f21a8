"""The files of one workspace: listed, read and written without leaving its folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import islice
from pathlib import Path
from uuid import uuid4

from servers.kit.errors import InvalidInput, NotFound, TooLarge, Unavailable
from servers.workspace.globs import Glob
from servers.workspace.paths import FOLDER_FLAGS, Place, find, refuse_git
from servers.workspace.text import SNIFFED_BYTES, is_binary, numbered, replaced, with_ends_of

MAX_WRITE_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 100
# Nobody means these when asking what a repository contains; named as the path, they are listed.
GENERATED = frozenset({".git", "node_modules", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"})


class Workspace:
    """The files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def list_files(self, path: str, pattern: str, limit: int) -> str:
        """The files below `path` that match, one a line, seen from the workspace's root."""
        glob = Glob(pattern)
        with find(self.root, path) as place:
            require_folder(place)
            prefix = "" if place.path == "." else f"{place.path}/"
            with _subfolder(place.name, place.folder) as folder:
                names = (prefix + name for name in files_below(folder) if glob.matches(name))
                found = [_printable(name) for name in islice(names, limit + 1)]
        if len(found) > limit:
            found[limit:] = [f"[more than {limit} files; narrow the path or the pattern, or raise the limit]"]
        return "\n".join(found) or "[no file matches]"

    def read_file(self, path: str, start_line: int, end_line: int | None) -> str:
        """The file's lines with their numbers."""
        with find(self.root, path) as place, _opened_file(place) as file:
            head = file.peek(SNIFFED_BYTES)
            if is_binary(head):
                return f"[{place.path} is a binary file of {os.fstat(file.fileno()).st_size} bytes]"
            return numbered(file, place.path, start_line, end_line)

    def edit_file(self, path: str, old: str, new: str, replace_all: bool) -> str:
        """Replace `old` by `new` in a file; says where."""
        if not old or old == new:
            raise InvalidInput("old must be the text to replace, and new must differ. See also write_file.")
        with find(self.root, path) as place:
            refuse_git(place.path)
            with _opened_file(place) as file:
                data = _read_whole(file, place.path)
            changed, lines = replaced(data, place.path, old, new, replace_all)
            _write(place, changed)
        where = ", ".join(map(str, lines))
        return f"Replaced in {place.path} at line {where}."

    def write_file(self, path: str, content: str) -> str:
        """Create or replace a file."""
        with find(self.root, path, create_folders=True) as place:
            refuse_git(place.path)
            before = b""
            if place.status() is not None:
                with _opened_file(place) as file:
                    before = _read_whole(file, place.path)
            data = with_ends_of(before, content)
            _write(place, data)
        verb = "Replaced" if before else "Created"
        return f"{verb} {place.path} ({len(data.splitlines())} lines, {len(data)} bytes)."


def require_folder(place: Place) -> None:
    """Refuse a place that is no folder.

    Raises:
        NotFound: Nothing is there.
        InvalidInput: It is something else.
    """
    status = place.status()
    if status is None:
        raise NotFound(f"There is no folder {place.path}. list_files shows what there is.")
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidInput(f"{place.path} is not a folder.")


@contextmanager
def _opened_file(place: Place) -> Generator[BufferedReader]:
    _require_regular(place, place.status())
    try:
        file = open_regular(place.name, place.folder)
    except OSError as error:
        raise InvalidInput(f"{place.path} cannot be opened ({error.strerror}).") from error
    with file:
        yield file


def open_regular(name: str, folder: int) -> BufferedReader:
    """Open a regular file for reading: never a link, and never waiting for a pipe's other end.

    Raises:
        OSError: It is not there, may not be read, or is something else.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    file = os.fdopen(os.open(name, flags, dir_fd=folder), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no regular file")
    return file


def _require_regular(place: Place, status: os.stat_result | None) -> None:
    if status is None:
        raise NotFound(f"There is no file {place.path}. list_files shows what there is.")
    if stat.S_ISDIR(status.st_mode):
        raise InvalidInput(f"{place.path} is a folder; list_files shows what is in it.")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(f"{place.path} is no regular file (a pipe, socket or device).")


def _read_whole(file: BufferedReader, path: str) -> bytes:
    data = file.read(MAX_WRITE_BYTES + 1)
    _require_small(data, path)
    return data


def _require_small(data: bytes, path: str) -> None:
    if len(data) > MAX_WRITE_BYTES:
        raise TooLarge(f"{path} is larger than {MAX_WRITE_BYTES} bytes; change it with a command.")


def _write(place: Place, data: bytes) -> None:
    """Put `data` there in one step: readers see the old file or the new one, with the old one's mode."""
    _require_small(data, place.path)
    status = place.status()
    if status is not None:
        _require_regular(place, status)
    if place.name == ".":
        raise InvalidInput("The path names the workspace itself, not a file.")
    staged = f".{uuid4().hex}.tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(staged, flags, 0o666, dir_fd=place.folder), "wb") as file:
            if status is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            file.write(data)
        os.rename(staged, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except OSError as error:
        with suppress(OSError):
            os.unlink(staged, dir_fd=place.folder)
        raise Unavailable(f"{place.path} cannot be written ({error.strerror}).") from error


def files_below(folder: int, prefix: str = "", depth: int = 0) -> Generator[str]:
    """The names below an open folder, sorted, seen from it; GENERATED folders left out."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            yield prefix + entry.name
        elif entry.name not in GENERATED and depth < MAX_DEPTH:
            with suppress(OSError), _subfolder(entry.name, folder) as below:
                yield from files_below(below, f"{prefix}{entry.name}/", depth + 1)


@contextmanager
def _subfolder(name: str, folder: int) -> Generator[int]:
    descriptor = os.open(name, FOLDER_FLAGS, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")
