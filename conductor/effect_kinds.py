"""What each kind of effect does; the registry stands at the foot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from conductor import commands as c
from conductor.comments import STATUS_CONTEXT, squash_message, squash_title
from conductor.events import Comment
from conductor.gate import Merge, Policy, gate
from conductor.github import GitHub
from conductor.handler import handle
from conductor.issue import NEEDS_INFO_LABEL, Issue
from conductor.lanes import Due, Lanes, Later
from conductor.look import look
from conductor.snapshot import Snapshot
from conductor.store import Store
from servers.kit.errors import NotFound, Refused, Unavailable


@dataclass(frozen=True)
class Hands:
    """With what effects are done."""

    store: Store
    github: GitHub
    policy: Policy
    lanes: Lanes

    async def look(self, stream: str, causation: str) -> None:
        """Read the pull request and tell the issue what is new; decides the merge gate on the way."""
        looked = await look(self.store, stream, self._read_pull, "conductor", causation)
        if looked is None:
            return
        after, pull = looked[0].issue, looked[1].pull
        if after.status == "ready_to_merge" and pull.state == "open" and pull.mergeable == "unknown":
            raise Unavailable("GitHub has not yet said whether the pull request can be merged.")

    async def _read_pull(self, issue: Issue) -> c.ObservePullRequest | None:
        number = await self._pull_number(issue)
        if number is None:
            return None
        try:
            return c.ObservePullRequest(await self.github.snapshot(issue.repository, number), self.policy)
        except NotFound as error:  # GitHub shows what is new a little later than it takes it
            raise Unavailable(str(error)) from error

    async def _pull_number(self, issue: Issue) -> int | None:
        if issue.pull_request:
            return issue.pull_request.number
        return await self.github.pull_of_branch(issue.repository, issue.branch) if issue.branch else None


async def look_at_pull(hands: Hands, due: Due, issue: Issue) -> None:
    await hands.look(due.stream, due.key)


async def post_review(hands: Hands, due: Due, issue: Issue) -> None:
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
    await hands.github.set_status(
        issue.repository, due.data["head"], STATUS_CONTEXT, due.data["state"], due.data["description"]
    )


async def comment(hands: Hands, due: Due, issue: Issue) -> None:
    await hands.github.comment(issue.repository, issue.number, due.data["body"], due.key)


async def needs_info(hands: Hands, due: Due, issue: Issue) -> None:
    """Set or remove the label by what holds the issue now; a label that cannot be set holds nothing up."""
    asks = issue.blocked is not None and issue.blocked.why == "questions"
    with suppress(Refused):
        await (hands.github.add_label if asks else hands.github.remove_label)(
            issue.repository, issue.number, NEEDS_INFO_LABEL
        )


async def close_issue(hands: Hands, due: Due, issue: Issue) -> None:
    await hands.github.close_issue(issue.repository, issue.number)


async def merge(hands: Hands, due: Due, issue: Issue) -> None:
    """Merge at the judged head if the gate still says so; GitHub guards the SHA."""
    if issue.status != "merging" or issue.pull_request is None:
        return
    head, number = str(due.data["head"]), issue.pull_request.number
    pull = await hands.github.snapshot(issue.repository, number)
    verdict = gate(issue, pull, hands.policy)
    if pull.state != "merged" and (not isinstance(verdict, Merge) or verdict.head != head):
        reasons = ["The head moved."] if isinstance(verdict, Merge) else verdict.reasons
        outcome: c.Command = c.RecordMergeRefused(head, reasons)
    else:
        outcome = await _merge(hands, issue, pull, head)
    await handle(hands.store, due.stream, outcome, "conductor", due.key)


async def _merge(hands: Hands, issue: Issue, pull: Snapshot, head: str) -> c.Command:
    title, message = squash_title(pull), squash_message(issue)
    try:
        sha = await hands.github.merge(issue.repository, pull.number, head, title, message)
    except Refused as refused:
        return c.RecordMergeRefused(head, [f"GitHub did not merge it: {refused}"])
    return c.RecordMerged(head, sha, "rig")


Handler = Callable[[Hands, Due, Issue], Awaitable[Later | None]]
HANDLERS: dict[str, Handler] = {
    "look": look_at_pull,
    "post_review": post_review,
    "resolve_threads": resolve_threads,
    "set_status": set_status,
    "comment": comment,
    "needs_info": needs_info,
    "close_issue": close_issue,
    "merge": merge,
}
