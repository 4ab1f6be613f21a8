"""What a judge says about an issue before anybody works on it: pure, a part of `decide`."""

from __future__ import annotations

from conductor import events as e
from conductor.issues import commands as c
from conductor.issues.issue import Holder, Issue
from servers.kit.errors import Forbidden, InvalidInput


def judged(issue: Issue, said: c.SubmitReadiness, holder: Holder) -> list[e.Event]:
    """The claim ends with the answer: the issue is offered to be implemented, or waits for its author.

    Raises:
        Forbidden: The claim is on other work.
        InvalidInput: The issue is not clear enough, but no question says what is missing.
    """
    if holder.kind != "verify":
        raise Forbidden(f"Your claim on {issue.key} is not a readiness check.")
    done = e.IssueUnassigned(agent=holder.agent, fence=holder.fence, reason="completed")
    if said.ready:
        return [done]
    questions = [question.strip() for question in said.questions if question.strip()]
    if not questions:
        raise InvalidInput("Say with at least one question what is missing.")
    return [done, e.IssueBlocked(by=[], why="questions", questions=questions, asked_by=holder.agent)]
