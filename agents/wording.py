"""What an agent's commits and pull requests say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.assignment import Assignment
from agents.checks import CommandReport
from agents.results import harmless
from servers.kit.logs import redact

ISSUE_TRAILER = "Rig-Issue"
RUN_TRAILER = "Rig-Run"
PARKED_TRAILER = "Rig-Parked"
SHOWN_LINES = 20


def commit_message(assignment: Assignment, title: str, summary: str) -> str:
    """The message of a commit, which names the issue and the run it comes from."""
    trailers = f"{ISSUE_TRAILER}: {assignment.issue}\n{RUN_TRAILER}: {assignment.run}"
    return f"{harmless(title)}\n\n{harmless(summary)}\n\n{trailers}\n"


def parking_message(assignment: Assignment, reason: str) -> str:
    """The message of a commit of unfinished work, which says why it was left."""
    trailers = f"{ISSUE_TRAILER}: {assignment.issue}\n{RUN_TRAILER}: {assignment.run}"
    why = " ".join(harmless(redact(reason)).split())[:200] or "stopped"
    return f"chore: work in progress on #{assignment.issue_number}\n\n{trailers}\n{PARKED_TRAILER}: {why}\n"


def parts_of(message: str) -> tuple[str, str]:
    """Title and summary of a message that `commit_message` made."""
    title, _, rest = message.partition("\n\n")
    return title, re.sub(rf"(?:^|\n\n){ISSUE_TRAILER}: .*\Z", "", rest, flags=re.DOTALL).strip()


def pull_request_body(assignment: Assignment, summary: str, reports: Sequence[CommandReport]) -> str:
    """The text of a pull request: what and why, the proof, and the issue it closes."""
    return "\n\n".join([harmless(summary), *map(_proof, reports), f"Closes #{assignment.issue_number}"])


def _proof(report: CommandReport) -> str:
    lines = redact(report.output).splitlines()[-SHOWN_LINES:]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", "\n".join(lines))), 3)
    head = f"`{report.command}` passed in {report.seconds:.1f} s."
    return "\n".join([head, "", f"{fence}text", *lines, fence]) if lines else head
