"""The reviewer's script: reads the diff, looks for what the issue asks, and for the flaw it knows."""

from __future__ import annotations

import re
from typing import Any, Final

from rig.doubles.anthropic.script import Play, Turn, UnexpectedInput, say, use
from rig.doubles.demo import headline
from rig.doubles.demo.assignment import Assignment
from rig.doubles.demo.results import words

DIFF: Final = "mcp__github__get_diff"
FILE: Final = "mcp__github__get_file"
HUNK: Final = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)")


def review(task: Assignment, offered: list[str]) -> Play:
    number, sha = task.pull_request
    diff = task.section("diff")
    asks = [use(DIFF, repository=task.repository, number=number)]
    if FILE in offered and task.issue is headline.HEADLINE:
        asks.append(use(FILE, repository=task.repository, path=headline.DURATIONS, ref=sha))
    answers = yield say("I will read the change as it stands on GitHub.", *asks)
    contains(words(answers[0]), task, "the diff from GitHub")
    contains(diff, task, "the diff in the assignment")
    if len(asks) > 1 and "def format_duration" not in words(answers[1]):
        raise UnexpectedInput(f"{headline.DURATIONS} with format_duration", answers[1].text)
    line = line_of(diff, headline.DURATIONS, headline.DIVMOD)
    if line is None and task.issue is headline.HEADLINE:
        repaired(diff)
    yield approve(task) if line is None else request_changes(line)


def repaired(diff: str) -> None:
    """An approval of the headline needs the repair and its test, not only that the flaw is gone."""
    for wanted in headline.REPAIRED:
        if line_of(diff, *wanted) is None:
            raise UnexpectedInput(f"{wanted[1]!r} in {wanted[0]}", diff)


def contains(diff: str, task: Assignment, name: str) -> None:
    lines = diff.splitlines()
    note = next(path for path in task.issue.paths if path.startswith("changes/"))
    for wanted in [f"+++ b/{note}", *task.issue.proof]:
        if wanted not in lines:
            raise UnexpectedInput(f"{wanted!r} in {name}", diff)


def line_of(diff: str, path: str, added: str) -> int | None:
    """The number, in the new file, of a line that the diff adds."""
    current, number = "", 0
    for line in diff.splitlines():
        if line.startswith("+++ "):
            current = line.removeprefix("+++ ").removeprefix("b/")
        elif hunk := HUNK.match(line):
            number = int(hunk[1]) - 1
        elif not line.startswith(("-", "\\")):
            number += 1
            if current == path and line == f"+{added}":
                return number
    return None


def approve(task: Assignment) -> Turn:
    summary = f"{task.issue.summary} The criteria of the issue are met and tested."
    return verdict("approve", summary, [])


def request_changes(line: int) -> Turn:
    comment = {"path": headline.DURATIONS, "line": line, "body": headline.COMPLAINT}
    summary = "Good, but a correction such as -15 minutes is written wrongly: `divmod` rounds down."
    return verdict("request_changes", summary, [comment])


def verdict(word: str, summary: str, comments: list[dict[str, Any]]) -> Turn:
    return say("I have seen enough.", use("finish", verdict=word, summary=summary, comments=comments))
