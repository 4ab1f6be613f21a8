"""Sees through programs that run a command for each of many things."""

from __future__ import annotations

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute, refuse_hidden
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules import paths

XARGS_VALUES = (
    "-I",
    "-n",
    "-P",
    "-L",
    "-d",
    "-s",
    "-E",
    "-a",
    "--max-args",
    "--max-procs",
    "--delimiter",
    "--arg-file",
)
RUNS = ("-exec", "-execdir", "-ok", "-okdir")
WRITES = ("-fprint", "-fprintf", "-fls", "-fprint0")
MOST = 16


def _words(text: str) -> list[str]:
    """Words of a list; what is not known of them stays."""
    words = text.replace("\x0e", " ").split()
    dangerous = [word for word in words if word[:1] in "/~."]
    return list(dict.fromkeys([*words[:MOST], *dangerous[:MOST]])) or [marks.OUTPUT]


def xargs(invocation: Invocation) -> str:
    """`xargs`: the command with the words of its input behind it, or in the place that is named."""
    args = list(invocation.args)
    place = ""
    stdin = invocation.stdin
    while args and args[0].startswith("-") and args[0] != "--":
        word = args.pop(0)
        value = args.pop(0) if word in XARGS_VALUES and args else ""
        if word == "-I" or word.startswith(("-I", "--replace", "-i")):
            place = (
                value
                or word.removeprefix("--replace").removeprefix("=").removeprefix("-I").removeprefix("-i")
                or "{}"
            )
        if word in ("-a", "--arg-file"):
            stdin = paths.content(invocation.shell, value)
    argv = args[1:] if args[:1] == ["--"] else args
    if not argv:
        return stdin or marks.OUTPUT
    if paths.basename(argv[0]) in ("sh", "bash", "zsh", "dash", "eval") and "-c" not in "".join(argv[1:2]):
        refuse_hidden(stdin)
    words = _words(stdin)
    if not place:
        return invocation.shell.calls.call(invocation.shell, [*argv, *words], "", {})
    lines = [line.strip() for line in stdin.split("\n") if line.strip()][:MOST] or [marks.OUTPUT]
    for line in lines:
        replaced = [word.replace(place, line) for word in argv]
        invocation.shell.calls.call(invocation.shell, replaced, "", {})
    return marks.of(stdin) or marks.OUTPUT


def find(invocation: Invocation) -> str | None:
    """`find`: what it deletes, writes and runs, as seen from where it looks."""
    args = invocation.args
    roots = _roots(args)
    for root in roots:
        paths.check_read(invocation.shell, root)
    found = [f"{root.rstrip('/')}/{marks.OUTPUT}" for root in roots]
    for index, word in enumerate(args):
        if word == "-delete":
            for path in found:
                paths.check_delete(invocation.shell, path)
        elif word in WRITES:
            paths.check_write(invocation.shell, "".join(args[index + 1 : index + 2]))
        elif word in RUNS:
            _run(invocation, _command(args[index + 1 :]), found)
    return None


def _roots(args: list[str]) -> list[str]:
    roots: list[str] = []
    for word in args:
        if word in ("-H", "-L", "-P", "-E", "-X") or word.startswith("-O"):
            continue
        if word[:1] in ("-", "(", "!", ")"):
            break
        roots.append(word)
    return roots or ["."]


def _command(args: list[str]) -> list[str]:
    ends = [index for index, word in enumerate(args) if word == ";" or (word == "+" and args[index - 1] == "{}")]
    return args[: ends[0]] if ends else args


def _run(invocation: Invocation, argv: list[str], found: list[str]) -> None:
    for path in found[:MOST]:
        replaced = [word.replace("{}", path) for word in argv]
        if replaced:
            invocation.shell.calls.call(invocation.shell, replaced, "", {})


def parallel(invocation: Invocation) -> str:
    """GNU parallel: a template that a shell reads, with each argument in it."""
    args = list(invocation.args)
    while args and args[0].startswith("-"):
        word = args.pop(0)
        if word in ("-j", "--jobs", "-P", "-N", "-n", "--delay", "--timeout", "--retries", "-I", "--joblog") and args:
            args.pop(0)
    template, given = args, invocation.stdin.split("\n")
    for index, word in enumerate(args):
        if word in (":::", "::::", ":::+"):
            template, given = args[:index], args[index + 1 :]
            break
    text = " ".join(template)
    for one in [item for item in given if item.strip()][:MOST] or [marks.OUTPUT]:
        line = text.replace("{}", one) if "{}" in text else f"{text} {one}"
        execute(invocation.shell, line, "")
    return marks.OUTPUT
