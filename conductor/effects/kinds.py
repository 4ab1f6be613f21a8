"""What each kind of effect does; the registry stands at the foot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from conductor import comments
from conductor.comments import STATUS_CONTEXT
from conductor.effects.asking import ask_judge, ask_verifier, open_issue
from conductor.effects.hands import Hands
from conductor.effects.lanes import Due, Later
from conductor.events import Comment
from conductor.issues.issue import NEEDS_INFO_LABEL, Issue
from conductor.issues.words import waits_for
from conductor.merge.landing import dequeue, merge, tell_place
from servers.kit.errors import Refused
from servers.kit.logs import redact
from servers.kit.repository import FILE, parse


async def look_at_pull(hands: Hands, due: Due, issue: Issue) -> None:
    await hands.look(due.stream, due.key)


async def post_review(hands: Hands, due: Due, issue: Issue) -> None:
    """Post the verdict; one on a head that is gone counts for nothing, so that it is dropped if GitHub refuses it."""
    try:
        await _post_review(hands, due, issue)
    except Refused:
        await hands.look(due.stream, due.key)
        _, now = await hands.store.load(due.stream)
        if now.pull_request and due.data["head"] in (now.pull_request.head, *now.carried):
            raise


async def _post_review(hands: Hands, due: Due, issue: Issue) -> None:
    if issue.pull_request is None:
        return
    remarks = msgspec.convert(due.data["comments"], list[Comment])
    await hands.github.post_review(
        issue.repository,
        issue.pull_request.number,
        due.data["head"],
        due.data["verdict"],
        due.data["body"],
        remarks,
        due.key,
    )


async def resolve_threads(hands: Hands, due: Due, issue: Issue) -> None:
    """Resolve the rig's own remarks, which the reviewer has just found answered."""
    if issue.pull_request is None:
        return
    pull = await hands.github.snapshot(issue.repository, issue.pull_request.number)
    for thread in pull.threads:
        if thread.ours and not thread.resolved:
            await hands.github.resolve_thread(issue.repository, thread.id)


async def set_status(hands: Hands, due: Due, issue: Issue) -> None:
    """Say what the issue waits for, as long as it does: at another head, or once it waits for more, that is old."""
    head = issue.pull_request.head if issue.pull_request else None
    if (head, comments.waiting(waits_for(issue))) != (due.data["head"], due.data["description"]):
        return
    await hands.github.set_status(
        issue.repository, due.data["head"], STATUS_CONTEXT, due.data["state"], due.data["description"]
    )


async def comment(hands: Hands, due: Due, issue: Issue) -> None:
    number = int(due.data.get("number", issue.number))  # the pull request's where it is about that
    asked = comments.asked(await _asked(hands, issue)) if due.data.get("asks") else ""
    await hands.github.comment(issue.repository, number, redact(due.data["body"]) + asked, due.key)


async def _asked(hands: Hands, issue: Issue) -> list[str]:
    """Whom the repository names for where the rig stops; nobody where its settings cannot be read."""
    try:
        return parse(await hands.github.file(issue.repository, FILE, issue.base)).escalate
    except Refused:
        return []


async def needs_info(hands: Hands, due: Due, issue: Issue) -> None:
    """Set or remove the label by what holds the issue now; a label that cannot be set holds nothing up."""
    asks = issue.blocked is not None and issue.blocked.why == "questions"
    with suppress(Refused):
        await (hands.github.add_label if asks else hands.github.remove_label)(
            issue.repository, issue.number, NEEDS_INFO_LABEL
        )


async def close_issue(hands: Hands, due: Due, issue: Issue) -> None:
    await hands.github.close_issue(issue.repository, issue.number)


Handler = Callable[[Hands, Due, Issue], Awaitable[Later | None]]
HANDLERS: dict[str, Handler] = {
    "look": look_at_pull,
    "post_review": post_review,
    "resolve_threads": resolve_threads,
    "set_status": set_status,
    "comment": comment,
    "needs_info": needs_info,
    "close_issue": close_issue,
    "ask_judge": ask_judge,
    "ask_verifier": ask_verifier,
    "open_issue": open_issue,
    "tell_place": tell_place,
    "merge": merge,
    "dequeue": dequeue,
}
