"""The one question: may this tool be called with this input here?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servers.workspace.guard import marks
from servers.workspace.guard.calls import Calls
from servers.workspace.guard.place import Place
from servers.workspace.guard.rules import paths
from servers.workspace.guard.rules.network import METADATA
from servers.workspace.guard.shell import Shell
from servers.workspace.guard.tools import Act, acts, base_name
from servers.workspace.guard.verdict import Allow, Ask, Blocked, Deny, Unclear, Verdict

ALLOW = Allow()
CONTROL = "It holds control characters. Write the command in plain text."


def judge(tool: str, given: Mapping[str, Any], place: Place) -> Verdict:
    """Whether a tool may be called.

    Args:
        tool: Its name, as the rig, Claude Code or Codex say it.
        given: Its input.
        place: Where, and whether a person can be asked; what is unclear is denied where nobody can.
    """
    if not place.person and base_name(tool) in place.policy.agents_never_call:
        return Deny(f"{tool} is for people and for the gate.")
    try:
        for act in acts(tool, given):
            _judge(act, place)
    except Blocked as error:
        return Deny(str(error))
    except (Unclear, RecursionError) as error:
        reason = str(error) if isinstance(error, Unclear) else "It is nested too deeply. Write a script."
        return Ask(reason) if place.person else Deny(f"{reason} It could not be judged, so it is not run.")
    except Exception as error:  # noqa: BLE001 -- whatever goes wrong here, nothing passes unjudged
        return Deny(f"The guard itself failed: {type(error).__name__}. Put it in other words, and report this.")
    return ALLOW


def _judge(act: Act, place: Place) -> None:
    shell = Shell(place, Calls())
    if act.cwd:
        shell.cwd = shell.absolute(act.cwd)
    match act.kind:
        case "shell":
            _script(shell, act.what)
        case "argv":
            _refuse_control("".join(act.words))
            _end(shell, shell.calls.call(shell, list(act.words), "", {}))
        case "read":
            paths.check_read(shell, act.what, shows=True)
        case "write":
            paths.check_write(shell, act.what)
        case "delete":
            paths.check_delete(shell, act.what)
        case "fetch":
            if METADATA.search(act.what):
                raise Blocked("It asks the cloud's metadata service for credentials.")
            paths.check_read(shell, act.what)


def _script(shell: Shell, text: str) -> None:
    _refuse_control(text)
    _end(shell, shell.script(text.replace("\r\n", "\n")))


def _refuse_control(text: str) -> None:
    if marks.FORBIDDEN.search(text):
        raise Unclear(CONTROL)


def _end(shell: Shell, said: str) -> None:
    if marks.SECRET in said:
        paths.block_secret("It shows a credential or the whole environment.")
    if shell.doubt:
        raise Unclear(shell.doubt)
