"""Interpreters: the code that stands in the command is read, files of the workspace are not."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.execute import refuse_hidden
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.outputs import said as said_of
from servers.workspace.guard.program_names import versionless
from servers.workspace.guard.rules import code_text, paths

PYTHON_VALUES = ("-W", "-X", "--check-hash-based-pycs")
CODE_OPTIONS = {
    "node": ("-e", "--eval", "-p", "--print", "-pe"),
    "bun": ("-e", "--eval", "-p", "--print"),
    "tsx": ("-e", "--eval"),
    "ts-node": ("-e", "--eval", "-p"),
    "deno": (),
    "ruby": ("-e",),
    "php": ("-r",),
    "lua": ("-e",),
    "osascript": ("-e",),
    "Rscript": ("-e",),
    "julia": ("-e", "-E"),
    "elixir": ("-e",),
    "groovy": ("-e",),
    "tclsh": (),
}


def _python(invocation: Invocation) -> str | None:
    args = list(invocation.args)
    while args and args[0].startswith("-") and args[0] != "-":
        word = args.pop(0)
        if word in PYTHON_VALUES:
            args = args[1:]
        elif re.fullmatch(r"-[bBdEhiIOPqsSuvVx]*c", word):
            return _run_python(invocation, "".join(args[:1]))
        elif re.match(r"-[bBdEhiIOPqsSuvVx]*c.", word) and not word.startswith("--"):
            return _run_python(invocation, word.partition("c")[2])
        elif re.fullmatch(r"-[bBdEhiIOPqsSuvVx]*m", word):
            return _module(invocation, args)
    if not args or args[0] in ("-", "/dev/stdin"):
        return _run_python(invocation, invocation.stdin) if invocation.stdin else marks.OUTPUT
    if paths.basename(args[0]) == "setup.py":
        return _module(invocation, ["setup.py", *args[1:]])
    text = paths.content(invocation.shell, args[0], shows=False)
    return _run_python(invocation, text) if text != marks.BULK else marks.OUTPUT


def _module(invocation: Invocation, args: list[str]) -> str | None:
    if not args:
        return marks.OUTPUT
    shell = invocation.shell
    return shell.calls.call(shell, args, invocation.stdin, {})


def _run_python(invocation: Invocation, code: str) -> str:
    refuse_hidden(code)
    if code.strip():
        from servers.workspace.guard.rules import code_python

        said = code_python.check(invocation.shell, code)
        return said + (marks.of(invocation.stdin) or marks.OUTPUT)
    return marks.of(invocation.stdin) or marks.OUTPUT


def _other(invocation: Invocation) -> str | None:
    options = CODE_OPTIONS.get(versionless(invocation.name), ("-e",))
    texts = [text for option in options for text in invocation.option(option)]
    if invocation.name == "deno" and invocation.args[:1] == ["eval"]:
        texts = invocation.positionals()[1:2]
    words = invocation.positionals(options)
    if not texts:
        if not words or words[0] in ("-", "/dev/stdin"):
            texts = [invocation.stdin]
        else:
            content = paths.content(invocation.shell, words[0], shows=False)
            texts = [] if content == marks.BULK else [content]
    if invocation.name == "deno" and any(word.startswith(("http:", "https:")) for word in words):
        refuse_hidden(marks.NETWORK)
    shows = invocation.flag("-p", "--print", "-pe")
    return _checked(invocation, texts, f"console.log({texts[0]})" if shows and texts else "")


def _checked(invocation: Invocation, texts: list[str], shown: str = "") -> str:
    """Judge pieces of code; what they print."""
    said: list[str] = []
    for text in [shown] if shown else texts:
        refuse_hidden(text)
        said.append(code_text.check(invocation.shell, text, invocation.name))
    return "\n".join([*said, marks.of(invocation.stdin) or marks.OUTPUT])


def _perl(invocation: Invocation) -> str | None:
    args = invocation.args
    texts = [args[i + 1] for i, word in enumerate(args[:-1]) if re.fullmatch(r"-[a-zA-Z0-9.]*[eE]", word)]
    if any(re.match(r"-\w*i", word) and not word.startswith("-I") for word in args):
        for path in [word for word in invocation.positionals() if word not in texts]:
            paths.check_write(invocation.shell, path)
    if not texts and not invocation.positionals():
        texts = [invocation.stdin]
    return _checked(invocation, texts)


def _awk(invocation: Invocation) -> str | None:
    said = [code_text.check_awk(invocation.shell, text) for text in invocation.positionals(("-F", "-v", "-f"))[:1]]
    return "\n".join([*said, said_of(invocation)])


RULES: dict[str, Callable[[Invocation], str | None]] = {
    **dict.fromkeys(("python", "pypy", "python2", "py", "ipython"), _python),
    **dict.fromkeys(CODE_OPTIONS, _other),
    "perl": _perl,
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk),
}
