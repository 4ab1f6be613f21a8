"""What each tool's input asks for, by the names of the rig's tools, Claude Code's and Codex's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from servers.workspace.guard.verdict import Blocked

LONGEST_NAME = 300
Kind = Literal["shell", "argv", "read", "write", "delete", "fetch"]


def _names(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


SHELLS = _names("""
    bash run_command shell local_shell shell_command exec_command container_exec execute_command run_terminal_cmd
    run_shell_command terminal exec powershell run_in_terminal unified_exec execute_bash run_bash sh monitor
""")
READERS = _names("""
    read read_file notebookread view view_image read_many_files open_file cat grep glob ls list_files search_files
    list_directory list_dir grep_files read_text_file
""")
WRITERS = _names("""
    write edit multiedit notebookedit edit_file write_file create_file str_replace_editor str_replace_based_edit_tool
    replace insert append_file delete_file move_file edit_notebook
""")
FETCHERS = _names("webfetch web_fetch fetch")
PATHS = ("file_path", "path", "notebook_path", "filename", "file", "target_file", "source", "destination")
COMMANDS = ("command", "cmd", "script", "code", "input", "commands")
PATCHED = re.compile(r"(?m)^\*\*\* (Add|Update|Delete) File: (.+)$|^\*\*\* Move to: (.+)$")


class Act(NamedTuple):
    """One thing that a call does."""

    kind: Kind
    what: str
    words: tuple[str, ...] = ()
    cwd: str = ""


def base_name(tool: str) -> str:
    """`mcp__workspace__run_command` is `run_command`."""
    return tool.rpartition("__")[2].replace("-", "_").replace(".", "_").lower()


def acts(tool: str, given: Mapping[str, Any]) -> Iterator[Act]:
    """What a call of a tool does.

    Raises:
        Blocked: The input is not what the tool takes.
    """
    name = base_name(tool)
    if name in SHELLS:
        yield _command(tool, given)
    elif name == "apply_patch":
        yield from patched(_text(given, ("input", "patch", "diff")))
    elif name in READERS or (name.startswith("str_replace") and given.get("command") == "view"):
        yield from (Act("read", path) for path in _paths(given))
    elif name in WRITERS:
        found = list(_paths(given))
        if not found:
            raise Blocked(f"{tool} needs the path of a file.")
        yield from (Act("delete" if name == "delete_file" else "write", path) for path in found)
    elif name in FETCHERS:
        yield Act("fetch", _text(given, ("url",)))


def _command(tool: str, given: Mapping[str, Any]) -> Act:
    cwd = next((str(given[key]) for key in ("workdir", "cwd", "working_directory") if given.get(key)), "")
    action: Any = given.get("action")
    if isinstance(action, Mapping):
        given = cast(Mapping[str, Any], action)
    for key in COMMANDS:
        value: Any = given.get(key)
        if isinstance(value, str):
            return Act("shell", value, cwd=cwd)
        if (
            isinstance(value, Sequence)
            and value
            and all(isinstance(word, str) for word in cast(Sequence[Any], value))
        ):
            return Act("argv", "", tuple(cast(Sequence[str], value)), cwd)
    if base_name(tool) in ("monitor", "terminal", "exec") and not any(key in given for key in COMMANDS):
        return Act("shell", "", cwd=cwd)
    raise Blocked(f"{tool} needs a command, as text or as a list of words.")


def _text(given: Mapping[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        if isinstance(given.get(key), str):
            return given[key]
    raise Blocked(f"The input lacks {keys[0]}.")


def _paths(given: Mapping[str, Any]) -> Iterator[str]:
    for key in PATHS:
        value: Any = given.get(key)
        if isinstance(value, str):
            yield value
        elif value is not None:
            raise Blocked(f"{key} is no text.")
    many: Any = given.get("paths")
    if isinstance(many, Sequence) and not isinstance(many, str):
        yield from (str(one) for one in cast(Sequence[Any], many))


def patched(text: str) -> Iterator[Act]:
    """The files that a patch in Codex's form adds, changes, deletes and moves."""
    for kind, path, moved in PATCHED.findall(text):
        if kind == "Delete":
            yield Act("delete", path.strip())
        else:
            yield Act("write", (path or moved).strip())
