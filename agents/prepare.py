"""Finds out where a run goes on from, and puts the files in place."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agents import repository, wording
from agents.assigned import Run
from agents.checks import CommandReport, places_of_markers
from agents.errors import Stuck
from agents.ground import Ground

MIB: Final = 1024 * 1024
LOOK_FOR: Final = (
    'for one in {}; do command -v "$one" >/dev/null || [ -x ".venv/bin/$one" ] || [ -x "node_modules/.bin/$one" ]'
    ' || echo "$one"; done'
)


async def begin(run: Run) -> tuple[str, str | None]:
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


async def is_ours(run: Run, commit: str) -> bool:
    """Whether a process before us completed this work and pushed it, with our trailer and not as unfinished."""
    ours = await run.copy.trailer(commit, wording.ISSUE_TRAILER) == run.assignment.issue
    return ours and not await run.copy.trailer(commit, wording.PARKED_TRAILER)


async def is_done(run: Run, tip: str, base: str, asked_at: str) -> bool:
    """Whether the rework of the head `asked_at` is pushed already; a head that people put there is none."""
    copy = run.copy
    if tip == asked_at or not await copy.resolve(asked_at) or not await copy.contains(tip, asked_at):
        return False
    if run.assignment.reason == "merge_conflict" and await copy.contains(tip, base):
        return True
    return await is_ours(run, tip)


async def ground_of(run: Run, base: str, tip: str | None) -> Ground:
    """Where to go on from: unfinished work of an earlier run, else the branch, else the base."""
    copy = run.copy
    parked = await _parked(run, tip)
    head = parked or tip or base
    if tip and run.assignment.conflicts and not await copy.contains(head, base):
        return Ground(head, base, base, await copy.merge(head, base), seen=tip, earlier=bool(parked))
    return Ground(head, await copy.fork_point(head, base), base, seen=tip, earlier=bool(parked))


async def _parked(run: Run, tip: str | None) -> str | None:
    """The head of unfinished work that still fits the branch, which people may have moved meanwhile."""
    copy, assignment = run.copy, run.assignment
    head = await copy.remote(assignment.parking_branch)
    if head is None or await copy.trailer(head, wording.ISSUE_TRAILER) != assignment.issue:
        return None
    fits = tip is None or await copy.contains(head, tip)
    return head if fits and await copy.trailer(head, wording.PARKED_TRAILER) else None


async def lay_out(run: Run, ground: Ground) -> dict[str, str]:
    """Put the files in place; answers what others have to say about them."""
    assignment = run.assignment
    await run.copy.check_out(ground.merge.tree if ground.merge else ground.head)
    await run.copy.give_history(ground.head, assignment.branch, run.character.git)
    run.ground = ground
    await set_up(run, ground)
    run.copy.lay_ready(ground.base, run.settings.clones, run.settings.clone_cache_mb * MIB)
    return {
        "issue": f"{assignment.title}\n\n{assignment.body}",
        "feedback": "\n\n".join(filter(None, [assignment.feedback or "", await _conflicts(run, ground)])),
        "agents.md": await run.copy.show(ground.base, repository.GUIDE) or "",
    }


async def _conflicts(run: Run, ground: Ground) -> str:
    if ground.merge:
        names = "\n".join(ground.merge.conflicts) or "none: both sides fit together, but see that all still works"
    elif ground.earlier:
        names = "\n".join(await places_of_markers(run.copy, ground.since))
    else:
        return ""
    return f"{run.assignment.base} was merged into the files. Files with conflict markers:\n{names}" if names else ""


async def set_up(run: Run, ground: Ground) -> None:
    """Fetch the dependencies that the base names, with package registries in reach, and say what is in reach later.

    Raises:
        Stuck: The set-up fails, a tool is missing, or the repository's settings are wrong.
    """
    said = repository.parse(await run.copy.show(ground.base, repository.FILE))
    leave = {"readable": [str(run.copy.objects)], "git": True, "hosts": said.policy.network}
    run.mesh.leave = leave
    if said.setup_command:
        # What files of a branch say, which a model wrote, may use what is kept but leaves nothing for others.
        own = {"packages": str(run.copy.packages), "keeps": ground.head == ground.base}
        await _fetch_dependencies(run, said.setup_command, {**leave, **own, "registries": True})
    if said.tools:
        await _require(run, said.tools)


async def _fetch_dependencies(run: Run, command: str, leave: Mapping[str, Any]) -> None:
    run.step("fetching dependencies")
    arguments = {"command": command, "timeout_seconds": run.settings.setup_timeout_seconds}
    answer = await run.mesh.call("workspace", "run_command", arguments, leave=leave)
    report = CommandReport.model_validate({**answer, "command": command})
    if not report.passed:
        how = "did not end in time" if report.timed_out else f"ended with {report.exit_code}"
        raise Stuck("setup_failed", f"`{command}` of {repository.FILE} {how}.", report.output)


async def _require(run: Run, tools: Sequence[str]) -> None:
    """See that the programs are there, of the machine or by the set-up, before a model is paid for missing them."""
    command = LOOK_FOR.format(" ".join(map(shlex.quote, tools)))
    answer = await run.mesh.call("workspace", "run_command", {"command": command})
    if missing := ", ".join(str(answer["stdout"]).splitlines()):
        what = f"Commands here lack {missing}, which {repository.FILE} names in its tools."
        raise Stuck("missing_tools", f"{what} Install it where agents run, in the set-up, or take it off that list.")
