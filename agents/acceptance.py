"""Holds what a developer's model hands in against the checks, as often as it may repair it."""

from __future__ import annotations

from agents import repository
from agents.assigned import Run
from agents.changes import AddedLine
from agents.checks import CommandReport, Complaint, inspect, prove, secrets_in
from agents.errors import Stuck
from agents.ground import Ground
from agents.results import DevResult

REPAIRS = 3


class Acceptance:
    """Judges what the model hands in; keeps the tree and the reports of the result that passed."""

    def __init__(self, run: Run, ground: Ground) -> None:
        self._run = run
        self._failures = 0
        self.ground = ground
        self.tree = ""
        self.reports: list[CommandReport] = []

    async def judge(self, result: DevResult) -> str | None:
        """What is wrong, for the model to repair; Stuck when that happened too often."""
        self._run.step("checking")
        complaint = _secrets(result) or await self.complaint()
        if complaint is None:
            return None
        self._failures += 1
        if self._failures > REPAIRS:
            reason = f"The change still fails after {REPAIRS} repairs: {complaint.text.partition(chr(10))[0]}"
            raise Stuck(complaint.error_class, reason, complaint.text)
        self._run.step("repairing")
        return f"{complaint.error_class}: {complaint.text}\nRepair this, then hand in again."

    async def complaint(self) -> Complaint | None:
        """What is wrong with the files as they are now."""
        copy, ground = self._run.copy, self.ground
        # What the commands below leave behind is not part of the change.
        self.tree = await copy.stage()
        if not (ground.merge or ground.earlier) and self.tree == await copy.tree_of(ground.head):
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


def _secrets(result: DevResult) -> Complaint | None:
    said = enumerate(f"{result.title}\n\n{result.summary}".splitlines(), start=1)
    return secrets_in([AddedLine("the title and summary", number, text) for number, text in said])
