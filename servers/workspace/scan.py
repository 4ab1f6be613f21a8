"""The search of a machine without ripgrep; a program of its own, so that it can be ended."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader

from servers.workspace.globs import Glob
from servers.workspace.store import files_below, open_regular
from servers.workspace.text import SNIFFED_BYTES, is_binary

LINE_BYTES = 1024 * 1024


def main() -> int:
    """Write `path NUL line:text` for each line that matches; 0 if any does, 1 if none, 2 for a bad pattern."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--glob", default="*")
    parser.add_argument("--columns", type=int, default=300)
    parser.add_argument("pattern")
    parser.add_argument("target")
    asked = parser.parse_args()
    try:
        pattern = re.compile(asked.pattern)
    except (re.error, RecursionError, OverflowError) as error:
        sys.stderr.write(f"regex parse error: {error}\n")
        return 2
    found = False
    for name, file in _files(asked.target, Glob(asked.glob)):
        for number, line in _matching(file, pattern):
            found = True
            text = line[: asked.columns] + (" [...]" if len(line) > asked.columns else "")
            sys.stdout.buffer.write(os.fsencode(name) + f"\0{number}:{text}\n".encode())
    return 0 if found else 1


def _files(target: str, glob: Glob) -> Iterator[tuple[str, BufferedReader]]:
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    names = (name for name in files_below(folder) if glob.matches(name)) if target == "." else [target]
    for name in names:
        with suppress(OSError), open_regular(name, folder) as file:
            yield name, file


def _matching(file: BufferedReader, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    if is_binary(file.peek(SNIFFED_BYTES)):
        return
    for number, raw in enumerate(iter(lambda: file.readline(LINE_BYTES), b""), 1):
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if pattern.search(line):
            yield number, line


if __name__ == "__main__":
    sys.exit(main())
