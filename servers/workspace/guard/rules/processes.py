"""Only processes that the command itself started are ended, and none is looked into."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.verdict import Blocked

NOT_OURS = "It may end processes that this command did not start. End your own by kill %1 or kill $!."
SIGNAL = re.compile(r"-(\d+|[A-Z]+\d*|SIG[A-Z]+\d*)$", re.IGNORECASE)


def _kill(invocation: Invocation) -> str | None:
    args = list(invocation.args)
    if args[:1] in (["-l"], ["-L"], ["--list"], ["-0"]) or args[:2] == ["-s", "0"]:
        return marks.OUTPUT
    if args[:1] in (["-s"], ["-n"], ["--signal"]):
        args = args[2:]
    elif args and SIGNAL.match(args[0]) and len(args) > 1:
        args = args[1:]
    for target in args:
        _check_target(target)
    return marks.OUTPUT


def _check_target(target: str) -> None:
    if target == "--" or target.startswith("%") or marks.OWN in target:
        return
    if target == marks.VARIABLE or marks.BULK in target:  # a variable of the environment, or a file with its number
        return
    if re.fullmatch(r"-?\d+", target) and target != "0":
        raise Blocked(NOT_OURS)
    if marks.OUTPUT in target:
        raise Blocked(NOT_OURS)


def _pkill(invocation: Invocation) -> str | None:
    if list(invocation.option("-P")) == [marks.OWN]:
        return marks.OUTPUT
    raise Blocked(NOT_OURS)


RULES: dict[str, Callable[[Invocation], str | None]] = {"kill": _kill, "pkill": _pkill}
