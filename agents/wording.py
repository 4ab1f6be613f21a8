"""What an agent's commits and pull requests say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.assignment import Assignment
from agents.checks import CommandReport
from agents.findings import Proposal, Triage
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
    # Whoever merges may put all this into a commit's message, where no fence counts.
    lines = harmless(redact(report.output)).splitlines()[-SHOWN_LINES:]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", "\n".join(lines))), 3)
    head = f"`{report.command}` passed in {report.seconds:.1f} s."
    return "\n".join([head, "", f"{fence}text", *lines, fence]) if lines else head


def first_line(text: str, limit: int = 200) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def incident_title(found: Triage) -> str:
    """The title of an incident's issue."""
    return f"Incident: {first_line(quiet(found.title))}"


def incident(found: Triage, evidence: str) -> str:
    """The body of an incident's issue: the report, and below it as data what monitoring sent."""
    steps = "\n".join(f"{number}. {quiet(step)}" for number, step in enumerate(found.next_steps, start=1))
    cause = f"**Suspected cause.** {quiet(found.suspected_cause)}" if found.suspected_cause.strip() else ""
    parts = [f"**Severity: {found.severity}.** {quiet(found.summary)}", cause, f"**Next steps**\n\n{steps}"]
    return "\n\n".join([*filter(None, parts), "What monitoring sent, as data:", as_data(evidence)])


def proposal(one: Proposal) -> str:
    """The body of a proposal's issue."""
    parts = {"Problem": one.problem, "Proposal": one.proposal, "Cost and risk": one.cost, "Against it": one.against}
    said = "\n\n".join(f"## {name}\n\n{quiet(words)}" for name, words in parts.items())
    return f"{said}\n\n---\nNobody works on this before a person sets the label that starts work."


def as_data(text: str, limit: int = 20_000) -> str:
    """`text` in a block of code that nothing in it can end; secrets are taken out."""
    shown = redact(text)[:limit]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", shown)), 3)
    return f"{fence}text\n{shown}\n{fence}"


def quiet(text: str) -> str:
    """What a model wrote, for an issue: it calls nobody, closes nothing, hides nothing and shows no secret."""
    return re.sub(r"(?<![\w`])@(?=[A-Za-z0-9])", "@\u200b", harmless(redact(text)).replace("<!--", "<! --"))
