"""Every sentence that the rig says on GitHub."""

from __future__ import annotations

from conductor.issue import Issue
from conductor.snapshot import Snapshot

STATUS_CONTEXT = "rig/merge-gate"
GATE_OPEN = "Every gate is open; merging."
_ANSWER = (
    "To have it tried again, remove the label `agent-ready` and set it again, perhaps with a clearer issue. To give "
    "it up, close the issue. From Claude Code, the rig's tool `decide_gate` does both."
)
_STATUS_LIMIT = 140  # GitHub's limit for a commit status description


def waiting(reasons: list[str]) -> str:
    """The gate's reasons as a commit status description."""
    text = " ".join(reasons)
    return text if len(text) <= _STATUS_LIMIT else text[: _STATUS_LIMIT - 1] + "…"


def review(agent: str, summary: str, head: str) -> str:
    """The body of a review."""
    return f"{summary}\n\n<sub>Reviewed by {agent} at {head[:7]}.</sub>"


def squash_title(pull: Snapshot) -> str:
    """The title of the merge commit, as GitHub writes it."""
    return f"{pull.title} (#{pull.number})"


def squash_message(issue: Issue) -> str:
    """The body of the merge commit, whose trailers name the issue and every run that wrote for it."""
    trailers = [f"Rig-Issue: {issue.key}", *(f"Rig-Run: {run}" for run in issue.runs)]
    return f"Closes #{issue.number}\n\n" + "\n".join(trailers)


def escalated(cause: str, evidence: str) -> str:
    """Asks people for help on the issue."""
    details = (
        f"\n\n<details><summary>Evidence</summary>\n\n```\n{_fenced(evidence)}\n```\n</details>" if evidence else ""
    )
    return f"**The rig needs a person here.** {cause}{details}\n\n{_ANSWER}"


def _fenced(text: str, limit: int = 6000) -> str:
    return text[-limit:].replace("```", "'''")


def permission_refused(login: str, label: str) -> str:
    """Recorded where somebody without write permission set the label."""
    return f"{login} set the label {label} without write permission; only people who may write start work."
