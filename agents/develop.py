"""Implements an issue, or reworks its pull request: the steps around the model, which alone touch git and GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents import repository, wording
from agents.assigned import Run
from agents.changes import AddedLine
from agents.checks import CommandReport, Complaint, inspect, prove, secrets_in
from agents.errors import Stuck
from agents.results import DevResult
from agents.think import think
from agents.workspace import Merge

REPAIRS = 3


@dataclass(frozen=True)
class Ground:
    """What a change stands on.

    Attributes:
        head: The commit whose files the model starts from.
        since: The commit on the base from which the whole pull request is seen.
        base: The base branch's head, which the change also has as parent where `merge` is set.
    """

    head: str
    since: str
    base: str
    merge: Merge | None = None

    @property
    def parents(self) -> list[str]:
        return [self.head, self.base] if self.merge else [self.head]


@dataclass(frozen=True)
class Delivery:
    """A pushed commit and what there is to say about it."""

    sha: str
    title: str
    summary: str
    reports: Sequence[CommandReport] = ()


async def implement(run: Run) -> None:
    """From an issue to an open pull request."""
    base, tip = await _begin(run)
    assignment, copy = run.assignment, run.copy
    await run.report("BRANCH_CREATED", branch=assignment.branch)
    if tip and await _is_ours(run, tip):
        delivery = await _delivered(run, tip)
    else:
        head = tip or base
        delivery = await _deliver(run, Ground(head, await copy.fork_point(head, base), base))
    run.step("opening the pull request")
    pull = await run.github(
        "open_pull_request",
        head=assignment.branch,
        base=assignment.base,
        title=delivery.title,
        body=wording.pull_request_body(assignment, delivery.summary, delivery.reports),
    )
    await run.report("PR_CREATED", number=pull["number"], url=pull["url"], head_sha=delivery.sha)
    await run.hand_in("complete_assignment", summary=delivery.title)


async def rework(run: Run) -> None:
    """From feedback to a new head of the pull request."""
    pull = run.assignment.pull_request
    if pull is None:
        raise Stuck("bad_assignment", "There is nothing to rework: the assignment names no pull request.")
    base, tip = await _begin(run)
    if tip is None:
        raise Stuck("git_error", f"The branch {run.assignment.branch} of #{pull.number} is gone.")
    if tip != pull.head_sha and await _is_done(run, tip, base):
        delivery = await _delivered(run, tip)
    else:
        delivery = await _deliver(run, await _rework_ground(run, tip, base))
    await run.report("PR_UPDATED", number=pull.number, head_sha=delivery.sha)
    await run.hand_in("complete_assignment", summary=delivery.title)


async def _begin(run: Run) -> tuple[str, str | None]:
    """Fetch; answers the base's head and, if it exists on the remote, the branch's."""
    assignment = run.assignment
    if assignment.branch == assignment.base:
        raise Stuck("bad_assignment", f"{assignment.base} is the base; agents push to branches of their own.")
    await run.report("WORK_STARTED")
    run.step("fetching the repository")
    await run.remotely(run.copy.fetch)
    base = await run.copy.remote(assignment.base)
    if base is None:
        raise Stuck("git_error", f"{assignment.repository} has no branch {assignment.base}.")
    return base, await run.copy.remote(assignment.branch)


async def _is_ours(run: Run, commit: str) -> bool:
    # Only finished work is ever pushed, so a head with our trailer is what a process before us completed.
    return await run.copy.trailer(commit, wording.ISSUE_TRAILER) == run.assignment.issue


async def _is_done(run: Run, tip: str, base: str) -> bool:
    if run.assignment.reason == "merge_conflict" and await run.copy.contains(tip, base):
        return True
    return await _is_ours(run, tip)


async def _delivered(run: Run, commit: str) -> Delivery:
    title, summary = wording.parts_of(await run.copy.message(commit))
    return Delivery(commit, title, summary or title)


async def _rework_ground(run: Run, tip: str, base: str) -> Ground:
    copy = run.copy
    if run.assignment.conflicts and not await copy.contains(tip, base):
        return Ground(tip, base, base, await copy.merge(tip, base))
    return Ground(tip, await copy.fork_point(tip, base), base)


async def _deliver(run: Run, ground: Ground) -> Delivery:
    """Let the model work, hold its result against the checks, commit and push it."""
    run.step("preparing the workspace")
    acceptance = Acceptance(run, ground)
    result = await think(run, DevResult, acceptance.judge, _prepare(run, ground))
    run.step("committing and pushing")
    message = wording.commit_message(run.assignment, result.title, result.summary)
    sha = await run.copy.commit(acceptance.tree, ground.parents, message, run.character.git)
    await run.remotely(lambda credential: run.copy.push(sha, run.assignment.branch, credential))
    title, summary = wording.parts_of(message)
    return Delivery(sha, title, summary, acceptance.reports)


async def _prepare(run: Run, ground: Ground) -> dict[str, str]:
    """Put the files in place; answers what others have to say about them."""
    assignment = run.assignment
    await run.copy.check_out(ground.merge.tree if ground.merge else ground.head)
    await run.copy.give_history(ground.head, assignment.branch, run.character.git)
    feedback = [assignment.feedback or ""]
    if ground.merge:
        conflicts = "\n".join(ground.merge.conflicts) or "none: both sides fit together, but see that all still works"
        feedback.append(f"{assignment.base} was merged into the files. Files with conflict markers:\n{conflicts}")
    return {
        "issue": f"{assignment.title}\n\n{assignment.body}",
        "feedback": "\n\n".join(filter(None, feedback)),
        "agents.md": await run.copy.show(ground.base, repository.GUIDE) or "",
    }


def _secrets(result: DevResult) -> Complaint | None:
    said = enumerate(f"{result.title}\n\n{result.summary}".splitlines(), start=1)
    return secrets_in([AddedLine("the title and summary", number, text) for number, text in said])


class Acceptance:
    """Judges what the model hands in; keeps the tree and the reports of the result that passed."""

    def __init__(self, run: Run, ground: Ground) -> None:
        self._run = run
        self._ground = ground
        self._failures = 0
        self.tree = ""
        self.reports: list[CommandReport] = []

    async def judge(self, result: DevResult) -> str | None:
        """What is wrong, for the model to repair; Stuck when that happened too often."""
        self._run.step("checking")
        complaint = _secrets(result) or await self._complaint()
        if complaint is None:
            return None
        self._failures += 1
        if self._failures > REPAIRS:
            reason = f"The change still fails after {REPAIRS} repairs: {complaint.text.partition(chr(10))[0]}"
            raise Stuck(complaint.error_class, reason, complaint.text)
        self._run.step("repairing")
        return f"{complaint.error_class}: {complaint.text}\nRepair this, then hand in again."

    async def _complaint(self) -> Complaint | None:
        copy, ground = self._run.copy, self._ground
        # What the commands below leave behind is not part of the change.
        self.tree = await copy.stage()
        if not ground.merge and self.tree == await copy.tree_of(ground.head):
            return Complaint("no_changes", "No file is changed.")
        if complaint := await inspect(copy, ground.since, self._run.settings):
            return complaint
        said = repository.parse(await copy.show(ground.base, repository.FILE))
        commands = [command for command in (said.build_command, said.test_command) if command]
        self.reports, complaint = await prove(commands, self._command)
        return complaint

    async def _command(self, command: str) -> CommandReport:
        arguments = {"command": command, "timeout_seconds": self._run.settings.test_timeout_seconds}
        answer = await self._run.mesh.call("workspace", "run_command", arguments)
        return CommandReport.model_validate({**answer, "command": command})
