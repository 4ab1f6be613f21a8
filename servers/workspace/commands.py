"""Shell commands in the workspace, and all that they see of the outside."""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, Field

from servers.kit.errors import InvalidInput
from servers.workspace import packages
from servers.workspace.gate import Allowed, gate
from servers.workspace.leave import NO_LEAVE, Leave
from servers.workspace.process import run
from servers.workspace.registries import known
from servers.workspace.sandbox import DEFAULT, Limits, Order, Private, Sandbox, shell
from servers.workspace.text import shown


class CommandResult(BaseModel):
    """How a command ended."""

    exit_code: int = Field(
        description="0 for success; 124 when it was ended by the timeout; 137 by a limit; 128+n by signal n"
    )
    stdout: str
    stderr: str
    truncated: bool = Field(description="Whether the middle of a long stream was left out")
    timed_out: bool
    seconds: float


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command: no credentials, and no settings of the machine's user."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **extra,
    }


@dataclass(frozen=True)
class Shell:
    """Runs lines of bash in `folder`, confined by `sandbox`.

    Attributes:
        registries: Gives the hosts that packages come from.
    """

    sandbox: Sandbox
    folder: Path
    private: Private
    env: Mapping[str, str]
    limits: Limits = DEFAULT
    registries: Callable[[], Awaitable[Sequence[str]]] = known

    async def run(self, command: str, timeout: float, leave: Leave = NO_LEAVE) -> CommandResult:
        """Run `command`; whatever it started ends with it, at the timeout or at a limit.

        Args:
            leave: What the run's supervisor lets it do beyond the workspace.
        """
        if "\0" in command:
            raise InvalidInput("A command has no NUL.")
        self.private.make()
        order = self._order(command, timeout, leave)
        if leave.packages:
            await packages.put_back(leave.packages, self.private.home)
        if leave.hosts or leave.registries:
            async with gate(await self._allowed(leave), by_port=self.sandbox.by_port) as door:
                ended = await run(self.sandbox, replace(order, door=door), timeout)
        else:
            ended = await run(self.sandbox, order, timeout)
        if leave.packages and leave.keeps and ended.exit_code == 0:
            await packages.keep(self.private.home, leave.packages)
        note = f"\n[ended by the sandbox: {ended.exceeded}]\n" if ended.exceeded else ""
        return CommandResult(
            exit_code=ended.exit_code,
            stdout=shown(ended.stdout),
            stderr=shown(ended.stderr) + note,
            truncated=ended.truncated,
            timed_out=ended.timed_out,
            seconds=ended.seconds,
        )

    async def _allowed(self, leave: Leave) -> Allowed:
        trusted = await self.registries() if leave.registries else ()
        return Allowed(leave.hosts, tuple(trusted))

    def _order(self, command: str, timeout: float, leave: Leave) -> Order:
        return Order(
            argv=[str(shell()), "--norc", "--noprofile", "-c", command],
            folder=self.folder,
            root=self.folder,
            private=self.private,
            env=self.env,
            limits=self.limits,
            readable=leave.readable,
            git=leave.git,
            seconds=math.ceil(timeout) + 1,
        )
