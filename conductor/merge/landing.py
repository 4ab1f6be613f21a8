"""How a pull request lands: what its turn in the merge train is done with."""

from __future__ import annotations

from typing import assert_never

from conductor import comments
from conductor.comments import STATUS_CONTEXT
from conductor.effects.hands import Hands
from conductor.effects.lanes import Due, Later
from conductor.handler import handle
from conductor.intake.look import look
from conductor.issues import commands as c
from conductor.issues.issue import Issue, pull_off_train
from conductor.merge import train as t
from conductor.merge.places import places_of
from conductor.merge.rollout import plan_of
from conductor.merge.snapshot import Snapshot
from servers.kit.errors import Conflict, Refused, Unsettled

BEHIND_SECONDS = 2.0


async def tell_place(hands: Hands, due: Due, issue: Issue) -> None:
    """Say on the commit where the pull request stands in the train, or that it is being merged."""
    pull = issue.pull_request
    if issue.status != "merging" or issue.merged or pull is None:
        return
    place = (await places_of(hands.store.pool, [issue.stream])).get(issue.stream, t.Place())
    waits = place.ahead is not None or pull.checks != "passed"
    words = comments.waiting([t.in_train(issue, place)])
    state = "pending" if waits else "success"
    await hands.github.set_status(issue.repository, pull.head, STATUS_CONTEXT, state, words)


async def merge(hands: Hands, due: Due, issue: Issue) -> Later | None:
    """Do what the first of the train needs next, after everything else that waits to be said about it."""
    if not _rides(issue, str(due.data["head"])):
        return None
    if await hands.lanes.is_busy(issue.stream):
        return Later("", BEHIND_SECONDS, behind=issue.stream)
    looked = await look(hands.store, due.stream, hands.see, "conductor", due.key)
    if looked is None or not _rides(looked[0].issue, str(due.data["head"])):
        return None
    issue, seen = looked[0].issue, looked[1]
    step = t.next_step(issue, seen.pull, seen.policy, hands.train, due.data.get("queued"))
    return await _take(hands, due, issue, seen.pull, step)


async def dequeue(hands: Hands, due: Due, issue: Issue) -> None:
    """Take out of GitHub's own queue what the gate does not let through any more; elsewhere nothing happens."""
    if pull := pull_off_train(issue):
        await hands.github.dequeue(issue.repository, pull.number)


def _rides(issue: Issue, head: str) -> bool:
    """Whether the issue waits for its merge, at the head that the gate let through or at that with the base in it."""
    pull = issue.pull_request
    return issue.status == "merging" and not issue.merged and pull is not None and head in (pull.head, *issue.carried)


async def _take(hands: Hands, due: Due, issue: Issue, pull: Snapshot, step: t.Step) -> Later | None:
    match step:
        case t.Await(words=words, seconds=seconds):
            return Later(words, seconds, data={"queued": pull.head_sha} if pull.in_merge_queue else {})
        case t.Update(head=head):
            return await _update(hands, due, issue, pull.number, head)
        case t.Enqueue(head=head):
            return await _enqueue(hands, due, issue, pull, head)
        case t.Land(head=head):
            return await _land(hands, due, issue, pull, head)
        case t.Evicted(head=head):
            return await _refused(hands, due, head, comments.evicted(pull.base_ref))
        case t.Overtaken(words=words):
            await handle(hands.store, due.stream, c.RecordEffectFailed("merge", words), "conductor", due.key)
            return None
        case _:
            assert_never(step)


async def _update(hands: Hands, due: Due, issue: Issue, number: int, head: str) -> Later | None:
    try:
        updated = await hands.github.update_branch(issue.repository, number, head)
    except Conflict as conflict:  # the head moved, or GitHub found what it has not shown yet
        raise Unsettled(str(conflict)) from conflict
    except Refused as refused:
        return await _refused(hands, due, head, f"GitHub did not update the branch: {refused}")
    if not updated:
        raise Unsettled("GitHub has nothing to update. It is looked at again.")
    return Later("", t.UPDATE_SECONDS)


async def _enqueue(hands: Hands, due: Due, issue: Issue, pull: Snapshot, head: str) -> Later | None:
    if await hands.lanes.is_busy(issue.stream):  # the queue may demand the status that is about to be set
        return Later("", BEHIND_SECONDS, behind=issue.stream)
    try:
        await hands.github.enqueue(issue.repository, pull.number, head)
    except Refused as refused:
        return await _refused(hands, due, head, f"GitHub did not take it into its merge queue: {refused}")
    return Later(comments.in_queue(pull.base_ref), t.CI_SECONDS, data={"queued": head})


async def _land(hands: Hands, due: Due, issue: Issue, pull: Snapshot, head: str) -> Later | None:
    if await hands.lanes.is_busy(issue.stream):  # the base may demand the status that is about to be set
        return Later("", BEHIND_SECONDS, behind=issue.stream)
    title, message = comments.squash_title(pull), comments.squash_message(issue)
    try:
        sha = await hands.github.merge(issue.repository, pull.number, head, title, message)
    except Refused as refused:
        if await _moved(hands, issue, pull):
            return Later("", 0)
        return await _refused(hands, due, head, f"GitHub did not merge it: {refused}")
    plan = await plan_of(hands.github, issue.repository, pull.base_ref)
    await handle(hands.store, due.stream, c.RecordMerged(head, sha, "rig", plan.steps), "conductor", due.key)
    return None


async def _moved(hands: Hands, issue: Issue, before: Snapshot) -> bool:
    """Whether the refusal is explained by what has just happened: then it is decided anew."""
    now = await hands.github.snapshot(issue.repository, before.number)
    facts = ("state", "head_sha", "base_sha", "behind", "mergeable", "labels", "draft", "checks_state")
    return any(getattr(now, fact) != getattr(before, fact) for fact in facts)


async def _refused(hands: Hands, due: Due, head: str, reason: str) -> None:
    await handle(hands.store, due.stream, c.RecordMergeRefused(head, [reason]), "conductor", due.key)
