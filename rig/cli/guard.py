"""`rig guard check|hook`: what the guard says of commands and calls of tools."""

from __future__ import annotations

import json as codec
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from rig.cli.output import clean, console, print_json
from servers.kit.errors import InvalidInput

if TYPE_CHECKING:
    from servers.workspace.guard.place import Place

app = typer.Typer(no_args_is_help=True)
JSON_OBJECT = re.compile(r'\s*\{\s*("|\}\s*$)')
LONGEST = 64 * 1024 * 1024
SHOWN = 100
AS_INPUT = "To have a command itself judged, give it on standard input: echo … | rig guard check"
COLOURS = {"allow": "green", "deny": "red", "ask": "yellow"}


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="guard", help="Judge commands and calls of tools before they are made.")


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="File of calls, one a line; - is standard input")] = "-",
    workspace: Annotated[Path, typer.Option(help="Folder that the calls work in")] = Path(),
    branch: Annotated[str | None, typer.Option(help="Branch of the work; by default the workspace's")] = None,
    policy: Annotated[Path | None, typer.Option(help="File that makes the policy stricter")] = None,
    person: Annotated[bool, typer.Option("--person", help="Somebody can be asked about what is unclear")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each call")] = False,
) -> None:
    """Say of each call whether it is allowed, and why not.

    A line is a call as JSON ({"tool": "Bash", "input": {"command": …}}, or tool_name and tool_input) or a plain
    command. Exits with 0 if all are allowed, with 1 if one is not, with 2 if the input is wrong.
    """
    from servers.workspace.guard.here import place_of
    from servers.workspace.guard.judge import judge
    from servers.workspace.guard.policy import with_repository

    if not workspace.is_dir():
        raise InvalidInput(f"--workspace {workspace} is no folder.")
    place: Place = place_of(workspace.resolve(), branch=branch, person=person, policy=with_repository(policy))
    allowed = True
    output: Any = sys.stdout
    output.reconfigure(errors="backslashreplace")  # half a surrogate pair is text in JSON
    for tool, given in list(_calls(_read(file))):
        verdict = judge(tool, given, place)
        allowed = allowed and verdict.verdict == "allow"
        if json:
            said = {"verdict": verdict.verdict, "reason": verdict.reason, "tool": tool, "input": given}
            print_json(said, pretty=False)
        else:
            _print(verdict.verdict, tool, given, verdict.reason)
    if not allowed:
        raise typer.Exit(1)


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read(LONGEST + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        hint = "" if isinstance(error, IsADirectoryError | PermissionError) else f" {AS_INPUT}"
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.{hint}") from error
    if len(data) > LONGEST:
        raise InvalidInput(f"{file} is larger than {LONGEST} bytes.")
    return data.decode("utf-8", "replace")


def _calls(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    found = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found = True
            yield _call(line, number)
    if not found:
        raise InvalidInput("There is nothing to judge. Give calls as lines of JSON, or plain commands.")


def _call(line: str, number: int) -> tuple[str, dict[str, Any]]:
    """A line as a call; what is no JSON object is a command of the shell."""
    if not JSON_OBJECT.match(line):
        return "Bash", {"command": line}
    try:
        called = cast(dict[str, Any], codec.loads(line))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"line {number}: not valid JSON: {error}.") from error
    tool: Any = called.get("tool", called.get("tool_name", "Bash" if "command" in called else None))
    given: Any = called.get("input", called.get("tool_input", called if "command" in called else None))
    if not isinstance(tool, str) or not isinstance(given, dict):
        raise InvalidInput(f'line {number}: a call is {{"tool": "Bash", "input": {{"command": "…"}}}}.')
    return tool, cast(dict[str, Any], given)


def _print(verdict: str, tool: str, given: dict[str, Any], reason: str) -> None:
    from rich.text import Text

    what = given.get("command") or given.get("file_path") or given.get("path") or codec.dumps(given)
    words = " ".join(clean(str(what)).split())
    line = Text(f"{verdict:5} ", style=COLOURS[verdict])
    line.append(f"{words[:SHOWN]}{'…' if len(words) > SHOWN else ''}", style="default")
    if tool != "Bash":
        line.append(f" ({clean(tool)[:SHOWN]})", style="dim")
    console().print(line, soft_wrap=True)
    if reason:
        console().print(Text(f"      {clean(reason)}", style="dim"), soft_wrap=True)


@app.command()
def hook(
    agent: Annotated[bool, typer.Option("--agent", help="Nobody can be asked: what is unclear is denied")] = False,
    policy: Annotated[Path | None, typer.Option(help="File that makes the policy stricter")] = None,
    record: Annotated[Path | None, typer.Option(help="File that is told of each call that is not made")] = None,
) -> None:
    """Answer a PreToolUse hook of Claude Code or Codex: the call as JSON on standard input.

    Prints the decision as JSON, or nothing where the call is allowed; exits with 2 for what cannot be judged.
    """
    from servers.workspace.guard.hook import main

    files = {"--policy": policy, "--record": record}
    given = [word for option, file in files.items() if file for word in (option, str(file))]
    raise typer.Exit(main([*(["--agent"] if agent else []), *given]))
