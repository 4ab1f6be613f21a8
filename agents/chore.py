"""Work that is no issue's: what a schedule or a person asks, incidents, scores, deployments; nothing is pushed.

The model looks and hands in a finding of the kind's form; the steps after it and the servers say what becomes of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from agents import wording
from agents.assigned import Run
from agents.errors import Stuck
from agents.findings import Answer, Done, Judgement, Proposals, Triage, Verification
from agents.reconcile import reconciled
from agents.review import diff_of
from agents.think import think
from servers.kit.errors import NotFound

REPAIRS = 3
Texts = dict[str, str]


async def chore(run: Run) -> None:
    """From what is asked to what came of it."""
    await run.report("WORK_STARTED")
    run.step("looking")
    match run.assignment.kind:
        case "answer":
            await _answer(run)
        case "triage":
            await _triage(run)
        case "judge":
            await _judge(run)
        case "deploy":
            await _verify(run)
        case _ if run.character.role == "architect":
            await _propose(run)
        case _:
            found = await think(run, Done, _take, _texts(run))
            await _end(run, found.summary, {})


async def _answer(run: Run) -> None:
    found = await think(run, Answer, _take, _texts(run, question=run.assignment.body))
    await _end(run, wording.first_line(found.answer), {"answer": found.answer})


async def _triage(run: Run) -> None:
    """An incident becomes one issue, or is found to be one that is open already."""
    assignment = run.assignment
    evidence = f"{assignment.title}\n\n{assignment.body}"
    found = await think(run, Triage, Known(run).judge, _texts(run, incident=evidence))
    number, url = found.known_as, ""
    if number is None:
        run.step("opening the issue")
        body = wording.incident(found, evidence)
        made = await run.github(
            "create_issue", title=wording.incident_title(found), body=body, key=str(assignment.data["key"])
        )
        number, url = int(made["number"]), str(made["url"])
    await _end(run, f"{assignment.repository}#{number}: {found.title}", {"number": number, "url": url})


async def _judge(run: Run) -> None:
    found = await think(run, Judgement, _take, _merged(run))
    scores = found.model_dump(exclude={"summary"})
    await _end(run, found.summary, {"scores": scores})


async def _verify(run: Run) -> None:
    found = await think(run, Verification, _take, _deployed(run))
    words = "passed" if found.passed else "failed"
    await _end(
        run, f"{run.assignment.data.get('step')} {words}: {wording.first_line(found.evidence)}", found.model_dump()
    )


async def _propose(run: Run) -> None:
    """Proposals become issues that nobody starts on; the server sees to their label."""
    found = await think(run, Proposals, _placed(run), _texts(run))
    run.step("opening the proposals")
    made: list[str] = []
    for number, one in enumerate(found.proposals, start=1):
        key = f"proposal:{run.assignment.issue.replace('~', '/')}:{number}"
        answer = await run.github("create_issue", title=one.title, body=wording.proposal(one), key=key)
        made.append(f"{run.assignment.repository}#{answer['number']}")
    await _end(run, f"{found.summary}\n\nProposed: {', '.join(made) or 'nothing'}", {})


async def _end(run: Run, summary: str, result: dict[str, Any]) -> None:
    run.step("handing in")
    await run.hand_in("complete_assignment", summary=summary, result=result)


async def _take(_: BaseModel) -> None:
    """Whatever has the right form is a finding."""


def _placed(run: Run) -> Callable[[Proposals], Awaitable[str | None]]:
    async def judge(found: Proposals) -> str | None:
        if found.proposals and run.assignment.real_repository is None:
            return "invalid_input: This assignment names no repository, so there is no place for a proposal."
        return None

    return judge


class Known:
    """Takes a report whose known issue exists and is open."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._failures = 0

    async def judge(self, found: Triage) -> str | None:
        """What is wrong with `known_as`, for the model to correct."""
        problem = await self._problem(found.known_as) if found.known_as else ""
        if not problem:
            return None
        self._failures += 1
        if self._failures > REPAIRS:
            raise Stuck("invalid_result", "The report names no open issue.", problem)
        return f"invalid_input: {problem}"

    async def _problem(self, number: int) -> str:
        try:
            issue = await self._run.github("get_issue", number=number)
        except NotFound:
            return f"known_as: There is no issue #{number}."
        return "" if issue["state"] == "open" else f"known_as: #{number} is closed; leave it out to open a new issue."


async def _texts(run: Run, **said: str) -> Texts:
    """What the model reads first, with the main branch's files in place where the character may read files."""
    commit = await _check_out(run, None)
    return {**await reconciled(run, commit), **said, "feedback": run.assignment.feedback or ""}


async def _merged(run: Run) -> Texts:
    data, assignment = run.assignment.data, run.assignment
    commit = await _check_out(run, str(data["sha"]))
    diff, known = await asyncio.gather(diff_of(run, int(data["number"])), reconciled(run, commit))
    return {**known, "issue": f"{assignment.title}\n\n{assignment.body}", "diff": diff.text}


async def _deployed(run: Run) -> Texts:
    assignment = run.assignment
    sha = str(assignment.data["sha"])
    rollout = await run.github("get_rollout", sha=sha)
    issue = f"{assignment.title}\n\n{assignment.body}"
    return {**await _texts(run), "issue": issue, "rollout": json.dumps(rollout, indent=1, ensure_ascii=False)}


async def _check_out(run: Run, sha: str | None) -> str | None:
    """Put the files of `sha`, or of the main branch, in place; the commit, or None where there is nothing to read."""
    copy, assignment = run.copy, run.assignment
    if assignment.real_repository is None or "workspace" not in run.character.mcp_servers:
        return None
    await run.remotely(copy.fetch)
    if sha is None:
        main = str((await run.github("get_repository"))["default_branch"])
        sha = await copy.remote(main)
        if sha is None:
            raise Stuck("git_error", f"{assignment.repository} has no branch {main}.")
    else:
        known = sha
        await run.remotely(lambda credential: copy.fetch_commit(known, credential))
    await copy.check_out(sha)
    return sha
