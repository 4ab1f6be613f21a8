"""What bash does itself."""

from __future__ import annotations

from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules import paths
from servers.workspace.guard.words import unescape


def _nothing(_: Invocation) -> str:
    return ""


def _cd(invocation: Invocation) -> str:
    shell = invocation.shell
    target = next(iter(invocation.positionals()), shell.home())
    if target == "-" or marks.ANY.match(target):
        shell.cwd = None
    else:
        shell.cwd = shell.absolute(target)
    return ""


def _popd(invocation: Invocation) -> str:
    invocation.shell.cwd = None
    return ""


def _eval(invocation: Invocation) -> str:
    return execute(invocation.shell, " ".join(invocation.args), invocation.stdin, apart=False)


def _source(invocation: Invocation) -> str:
    if not invocation.args:
        return ""
    own = invocation.args[0] in ("/dev/stdin", "/dev/fd/0")
    text = invocation.stdin if own else paths.content(invocation.shell, invocation.args[0], shows=False)
    return execute(invocation.shell, text, "", apart=False)


def _alias(invocation: Invocation) -> str:
    for word in invocation.args:
        name, equals, value = word.partition("=")
        if equals:
            invocation.shell.aliases[name] = value
    return ""


def _unalias(invocation: Invocation) -> str:
    for name in invocation.args:
        invocation.shell.aliases.pop(name, None)
    return ""


def _trap(invocation: Invocation) -> str:
    words = invocation.positionals()
    if len(words) > 1 and words[0] not in ("-", ""):
        return execute(invocation.shell, words[0], "")
    return ""


def _set(invocation: Invocation) -> str:
    if not invocation.args:
        return marks.SECRET
    if "--" in invocation.args:
        invocation.shell.arguments = ["bash", *invocation.args[invocation.args.index("--") + 1 :]]
    return ""


def _declare(invocation: Invocation) -> str:
    words = [word for word in invocation.args if not word.startswith("-")]
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            invocation.shell.assign(name, value)
    shows_variables = not any(flag in invocation.args for flag in ("-f", "-F", "-pf", "-n"))
    return marks.SECRET if not words and shows_variables else ""


def _read(invocation: Invocation) -> str:
    names = invocation.positionals(("-d", "-n", "-N", "-p", "-t", "-u", "-i", "-a")) or ["REPLY"]
    found = marks.of(invocation.stdin)
    line = invocation.stdin.strip() if invocation.stdin else marks.VARIABLE
    if "\n" in line and found:
        line = next((one for one in line.split("\n") if marks.unknown(one)), line)
    for number, name in enumerate(names):
        parts = line.split(None, len(names) - 1)
        value = line if len(names) == 1 else parts[number] if number < len(parts) else marks.VARIABLE
        for one in value.split("\n")[:4] if len(names) == 1 else [value]:
            invocation.shell.assign(name, one)
    return ""


def _mapfile(invocation: Invocation) -> str:
    names = invocation.positionals(("-d", "-n", "-O", "-s", "-u", "-C", "-c"))
    invocation.shell.assign(names[0] if names else "MAPFILE", invocation.stdin or marks.VARIABLE)
    return ""


def _echo(invocation: Invocation) -> str:
    args = list(invocation.args)
    escapes = False
    while args and args[0][:1] == "-" and args[0][1:] and not set(args[0][1:]) - set("neE"):
        escapes = escapes or "e" in args.pop(0)
    text = " ".join(args)
    return (unescape(text) if escapes else text) + "\n"


def _printf(invocation: Invocation) -> str:
    args = list(invocation.args)
    name = None
    if args[:1] == ["-v"]:
        name, args = (args[1] if len(args) > 1 else "REPLY"), args[2:]
    if args[:1] == ["--"]:
        args = args[1:]
    text = _formatted(args[0], args[1:]) if args else ""
    if name is None:
        return text
    invocation.shell.assign(name, text)
    return ""


def _formatted(form: str, values: list[str]) -> str:
    """What printf makes of its arguments; text made by escapes counts as decoded."""
    pieces = form.replace("%%", "\x0e").split("%")
    out = unescape(pieces[0])
    left = list(values)
    while True:
        for piece in pieces[1:]:
            kind = piece.lstrip("-+ #0123456789.*'")
            value = left.pop(0) if left else ""
            value = unescape(value) if kind[:1] == "b" else value
            out += value + unescape(kind[1:])
        if not left or len(pieces) == 1 or len(out) > 65536:
            break
        out += unescape(pieces[0])
    hidden = marks.DECODED if any("\\x" in text or "\\0" in text or "\\1" in text for text in (form, *values)) else ""
    return out.replace("\x0e", "%") + hidden


def _rest(invocation: Invocation) -> str:
    """A word of the grammar where the parser took it for a program's."""
    shell = invocation.shell
    return shell.calls.call(shell, invocation.args, invocation.stdin, {}) if invocation.args else ""


def _jobs(_: Invocation) -> str:
    return marks.OWN


def _pwd(invocation: Invocation) -> str:
    return (invocation.shell.cwd or marks.OUTPUT) + "\n"


def _which(invocation: Invocation) -> str:
    return "\n".join(word for word in invocation.args if not word.startswith("-")) + "\n"


BUILTINS: dict[str, Callable[[Invocation], str]] = {
    **dict.fromkeys(
        (
            "true",
            "false",
            ":",
            "test",
            "[",
            "exit",
            "return",
            "break",
            "continue",
            "wait",
            "fg",
            "bg",
            "shift",
            "umask",
            "ulimit",
            "shopt",
            "let",
            "getopts",
            "disown",
            "times",
            "hash",
            "bind",
            "complete",
            "logout",
            "]",
            "[[",
            "{",
            "}",
            "!",
            "do",
            "done",
            "then",
            "fi",
            "sleep",
        ),
        _nothing,
    ),
    **dict.fromkeys(("{", "!", "do", "then", "else", "if", "while", "until", "elif"), _rest),
    "cd": _cd,
    "chdir": _cd,
    "pushd": _cd,
    "popd": _popd,
    "eval": _eval,
    "source": _source,
    ".": _source,
    "alias": _alias,
    "unalias": _unalias,
    "trap": _trap,
    "set": _set,
    **dict.fromkeys(("export", "declare", "typeset", "readonly", "local"), _declare),
    "read": _read,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "echo": _echo,
    "printf": _printf,
    "jobs": _jobs,
    "pwd": _pwd,
    "which": _which,
    "type": _nothing,
    "man": _nothing,
    "whatis": _nothing,
    "apropos": _nothing,
    "info": _nothing,
    "tldr": _nothing,
    "help": _nothing,
}
