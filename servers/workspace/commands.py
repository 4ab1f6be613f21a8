"""Shell commands in the workspace, and all that they see of the outside."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from servers.kit.errors import InvalidInput
from servers.workspace.process import STREAM_BYTES, run
from servers.workspace.text import shown


class CommandResult(BaseModel):
    """How a command ended."""

    exit_code: int = Field(description="0 for success; 124 when it was ended by the timeout; 128+n by signal n")
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
    """Runs lines of bash in `folder`.

    Attributes:
        home: Made again if it is gone: whoever keeps the server between runs takes away what a run left in it.
    """

    folder: Path
    env: Mapping[str, str]
    home: Path | None = None

    async def run(self, command: str, timeout: float) -> CommandResult:
        """Run `command`; whatever it started ends with it, or at the timeout."""
        if "\0" in command:
            raise InvalidInput("A command has no NUL.")
        if self.home:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = ["bash", "--norc", "--noprofile", "-c", command]
        ended = await run(argv, self.folder, self.env, timeout, STREAM_BYTES)
        return CommandResult(
            exit_code=ended.exit_code,
            stdout=shown(ended.stdout),
            stderr=shown(ended.stderr),
            truncated=ended.truncated,
            timed_out=ended.timed_out,
            seconds=ended.seconds,
        )
