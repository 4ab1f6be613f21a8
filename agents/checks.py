"""What every change has to pass before it is committed, whatever the model says about it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel

from agents import secrets_scan
from agents.changes import AddedLine, Change, added_lines, lines_changed, parse_raw
from agents.settings import AgentSettings
from agents.workspace import WorkingCopy

TAIL = 6000
MARKER = re.compile(r"([<>|])\1{6,}(\s|$)|={7}(\s|$)")


@dataclass(frozen=True)
class Complaint:
    """Why a change is not taken."""

    error_class: str
    text: str


class CommandReport(BaseModel):
    """How a command of the repository ended."""

    command: str = ""
    exit_code: int
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    seconds: float = 0

    @property
    def passed(self) -> bool:
        return self.exit_code == 0 and not self.timed_out

    @property
    def output(self) -> str:
        """The end of what it said."""
        return "\n".join(part for part in (self.stdout.strip(), self.stderr.strip()) if part)[-TAIL:]


RunCommand = Callable[[str], Awaitable[CommandReport]]


async def inspect(copy: WorkingCopy, since: str, settings: AgentSettings) -> Complaint | None:
    """Look at what is staged, compared with the base.

    Args:
        since: The commit on the base from which the whole pull request is seen.
    """
    changes = await _changes(copy, since)
    if not changes:
        return Complaint("no_changes", "Nothing is changed compared with the base branch.")
    diff = await _text(copy, since)
    if too_large := _size(len(changes), lines_changed(diff), settings):
        return too_large
    added = added_lines(diff)
    if markers := _markers(added):
        places = "\n".join(markers)
        return Complaint("conflict_markers", f"Conflict markers are left in these places:\n{places}")
    return await _harm(changes, added, settings)


async def harm(copy: WorkingCopy, since: str, settings: AgentSettings) -> Complaint | None:
    """What must not even be pushed as unfinished work, in what is staged: other people's paths, and secrets."""
    return await _harm(await _changes(copy, since), added_lines(await _text(copy, since)), settings)


async def places_of_markers(copy: WorkingCopy, since: str) -> list[str]:
    """Where conflict markers are left, as path:line."""
    return _markers(added_lines(await _text(copy, since)))


async def prove(commands: Sequence[str], run: RunCommand) -> tuple[list[CommandReport], Complaint | None]:
    """Run the repository's own commands up to the first that fails."""
    reports: list[CommandReport] = []
    for command in commands:
        report = await run(command)
        reports.append(report)
        if not report.passed:
            how = "did not end in time" if report.timed_out else f"ended with {report.exit_code}"
            return reports, Complaint("tests_failed", f"`{command}` {how}:\n{report.output}")
    return reports, None


async def _changes(copy: WorkingCopy, since: str) -> list[Change]:
    return parse_raw(await copy.diff(since, "--raw", "--no-abbrev", "-z"))


async def _text(copy: WorkingCopy, since: str) -> str:
    # All of it as text: else one line in .gitattributes, or one byte in a file, hides what the change adds.
    return await copy.diff(since, "--text", "--unified=0")


def _markers(added: Sequence[AddedLine]) -> list[str]:
    return [f"{line.path}:{line.number}" for line in added if MARKER.match(line.text)]


async def _harm(changes: Sequence[Change], added: Sequence[AddedLine], settings: AgentSettings) -> Complaint | None:
    return _paths(changes, settings) or await asyncio.to_thread(secrets_in, added)


def _paths(changes: Sequence[Change], settings: AgentSettings) -> Complaint | None:
    protected = sorted(
        change.path for change in changes if any(fnmatchcase(change.path, p) for p in settings.protected_paths)
    )
    if protected:
        names = ", ".join(protected)
        return Complaint("protected_path", f"Only people change {names}. Put back what was there.")
    embedded = sorted(change.path for change in changes if change.is_repository)
    if embedded:
        return Complaint("embedded_repository", f"Remove the git repository inside {', '.join(embedded)}.")
    return None


def _size(files: int, lines: int, settings: AgentSettings) -> Complaint | None:
    if files <= settings.max_changed_files and lines <= settings.max_changed_lines:
        return None
    allowed = f"{settings.max_changed_files} files and {settings.max_changed_lines} lines"
    text = f"The change has {files} files and {lines} lines; at most {allowed} are taken. Make it smaller."
    return Complaint("diff_too_large", text)


def secrets_in(added: Sequence[AddedLine]) -> Complaint | None:
    """Which lines look like credentials; never the credentials themselves."""
    found = [f"{line.path}:{line.number}: {kind}" for line in added for kind in secrets_scan.kinds(line.text)]
    if not found:
        return None
    places = "\n".join(found[:20])
    return Complaint("secret_found", f"These added lines look like credentials. Take them out:\n{places}")
