"""Runs text as a script, wherever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.workspace.guard import marks
from servers.workspace.guard.verdict import Blocked

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

HIDDEN = "It runs text that was {how}. Write what it does as plain commands, so that it can be read."


def refuse_hidden(text: str) -> None:
    """Text that nobody has read is not run.

    Raises:
        Blocked: It was fetched or decoded.
    """
    if marks.NETWORK in text:
        raise Blocked(HIDDEN.format(how="fetched from the network"))
    if marks.DECODED in text:
        raise Blocked(HIDDEN.format(how="decoded or rewritten on the way"))


def execute(shell: Shell, text: str, stdin: str, apart: bool = True) -> str:
    """Follow text as a script; what it prints.

    Raises:
        Blocked: It was fetched or decoded, or does what is forbidden.
    """
    refuse_hidden(text)
    if not apart:
        return shell.script(text, stdin)
    with shell.apart():
        return shell.script(text, stdin)
