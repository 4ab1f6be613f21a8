"""Searches the workspace's files by regular expression: with ripgrep, or with Python where there is none."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from servers.kit.errors import InvalidInput, NotFound, TimedOut
from servers.workspace.globs import Glob
from servers.workspace.paths import Place, find
from servers.workspace.process import Finished, run
from servers.workspace.sandbox import MIB, Limits, Order, Private, Sandbox
from servers.workspace.store import GENERATED
from servers.workspace.text import shown

SECONDS = 20.0
OUTPUT_BYTES = 4 * 1024 * 1024
LINE_CHARACTERS = 300
LIMITS = Limits(memory_bytes=2048 * MIB)
_HIT = re.compile(rb"([^\0\n]+)\0(\d+):([^\n]*)")


@dataclass(frozen=True)
class Search:
    """Finds lines in the files below `root`."""

    sandbox: Sandbox
    root: Path
    private: Private
    env: Mapping[str, str]
    ripgrep: str | None = field(default_factory=lambda: shutil.which("rg"))
    seconds: float = SECONDS

    async def find(self, pattern: str, path: str, glob: str | None, limit: int) -> str:
        """Lines that match, as `path:line: text`.

        Raises:
            InvalidInput: The expression or the glob is wrong.
            TimedOut: It took longer than `seconds`.
        """
        if "\0" in pattern:
            raise InvalidInput("A pattern has no NUL.")
        Glob(glob or "*")  # says what is wrong with it, whichever program searches
        with find(self.root, path) as place:
            folder, target = _start(self.root, place)
        program = self._ripgrep if self.ripgrep else self._python
        self.private.make()
        order = Order(program(pattern, target, glob), folder, self.root, self.private, self.env, LIMITS)
        ended = await run(self.sandbox, order, self.seconds, OUTPUT_BYTES)
        return self._answer(ended, folder, limit)

    def _ripgrep(self, pattern: str, target: str, glob: str | None) -> list[str]:
        options = ["--no-config", "--no-ignore", "--hidden", "--sort=path", "--color=never", "--null"]
        options += ["--line-number", "--no-heading", "--with-filename", "--max-columns-preview"]
        options += [f"--max-columns={LINE_CHARACTERS}"] + ([f"--glob={glob}"] if glob else [])
        options += [f"--glob=!{name}" for name in sorted(GENERATED)]
        return [str(self.ripgrep), *options, f"--regexp={pattern}", "--", target]

    def _python(self, pattern: str, target: str, glob: str | None) -> list[str]:
        # A process of its own: an expression that backtracks for ever would hold the whole interpreter.
        options = [f"--glob={glob or '*'}", f"--columns={LINE_CHARACTERS}"]
        return [sys.executable, "-I", "-m", "servers.workspace.scan", *options, "--", pattern, target]

    def _answer(self, ended: Finished, folder: Path, limit: int) -> str:
        if ended.timed_out:
            raise TimedOut(f"The search took longer than {self.seconds:g} s; narrow the path or the pattern.")
        prefix = "" if folder == self.root else f"{folder.relative_to(self.root)}/"
        hits = [prefix + hit for hit in _hits(ended.stdout)]
        if not hits and ended.exit_code not in (0, 1):
            raise InvalidInput(f"The search failed: {' '.join(shown(ended.stderr).split())[:1000]}")
        if len(hits) > limit or ended.truncated:
            hits[limit:] = ["[more lines match; narrow the path, the pattern or the glob, or raise the limit]"]
        return "\n".join(hits) or "[no line matches]"


def _start(root: Path, place: Place) -> tuple[Path, str]:
    status = place.status()
    if status is None:
        raise NotFound(f"There is no {place.path}. list_files shows what there is.")
    if stat.S_ISDIR(status.st_mode):
        return root / place.path, "."
    if stat.S_ISREG(status.st_mode):
        return (root / place.path).parent, f"./{place.path.rpartition('/')[2]}"
    raise InvalidInput(f"{place.path} is neither a folder nor a regular file.")


def _hits(output: bytes) -> Iterator[str]:
    for path, line, text in _HIT.findall(output):
        yield f"{shown(path).removeprefix('./')}:{line.decode()}: {shown(text).rstrip(chr(13))}"
