"""Sees through programs that only run another one."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute, refuse_hidden
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.policy import Wrapper
from servers.workspace.guard.rules import paths
from servers.workspace.guard.through_lists import find, parallel, xargs
from servers.workspace.guard.verdict import Blocked

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "rbash", "csh", "tcsh", "pwsh", "powershell")
EVALUATES = re.compile(
    r"^\s*s([^\w\s])(?:\\.|(?!\1)[^\\])*\1(?:\\.|(?!\1)[^\\])*\1[gipmIM\d]*e[gipmIM\d]*\s*(;|$)", re.DOTALL
)
LONG_COMMANDS = ("--command", "-Command", "-EncodedCommand", "--init-command")
MAKES_RUN = (
    "SHELL",
    "CC",
    "CXX",
    "CPP",
    "LD",
    "AR",
    "AS",
    "PYTHON",
    "NODE",
    "NPM",
    "GO",
    "CARGO",
    "RM",
    "CP",
    "INSTALL",
)
SHELL_VALUES = ("-o", "+o", "-O", "+O", "--rcfile", "--init-file")


def run(invocation: Invocation, argv: list[str], stdin: str | None = None) -> str:
    """Judge the command that stands in the arguments of another."""
    data = invocation.stdin if stdin is None else stdin
    return invocation.shell.calls.call(invocation.shell, argv, data, {})


def _shell(invocation: Invocation) -> str:
    args = list(invocation.args)
    command = stdin = False
    while args and args[0][:1] in "-+" and args[0] not in ("-", "--"):
        word = args.pop(0)
        long = word.startswith("--")
        command = command or word in LONG_COMMANDS or (not long and "c" in word[1:])
        stdin = stdin or (not long and "s" in word[1:])
        if word in SHELL_VALUES or (not long and word.endswith("o")):
            args = args[1:]
    args = args[1:] if args[:1] in (["--"], ["-"]) else args
    if command:
        return _with_arguments(invocation, args[0] if args else "", ["bash", *args[2:]] if len(args) > 1 else None)
    if args and not stdin:
        text = paths.content(invocation.shell, args[0], shows=False)
        return _with_arguments(invocation, text, args)
    return execute(invocation.shell, invocation.stdin, "")


def _with_arguments(invocation: Invocation, text: str, arguments: list[str] | None) -> str:
    shell = invocation.shell
    kept, shell.arguments = shell.arguments, arguments
    try:
        return execute(shell, text, invocation.stdin)
    finally:
        shell.arguments = kept


def _env(invocation: Invocation) -> str:
    args = list(invocation.args)
    env: dict[str, str] = {}
    while args:
        word = args.pop(0)
        if word in ("-S", "--split-string") or word.startswith(("-S", "--split-string=")):
            text = "" if word == "--split-string" else word.removeprefix("--split-string=").removeprefix("-S")
            return execute(invocation.shell, " ".join([text, *args]), invocation.stdin)
        if word in ("-u", "--unset", "-C", "--chdir"):
            moved = args.pop(0) if args else ""
            if word in ("-C", "--chdir"):
                invocation.shell.cwd = invocation.shell.absolute(moved)
        elif ASSIGNMENT.match(word):
            name, _, value = word.partition("=")
            env[name] = value
        elif not word.startswith("-"):
            return invocation.shell.calls.call(invocation.shell, [word, *args], invocation.stdin, env)
    return marks.SECRET if not invocation.flag("-i", "--ignore-environment") else ""


def wrapped(invocation: Invocation, wrapper: Wrapper) -> list[str]:
    """The command behind a wrapper's own options."""
    args = list(invocation.args)
    left = wrapper.skip
    while args:
        word = args[0]
        if word == "--":
            args = args[1:]
        elif word.startswith("-") and len(word) > 1:
            args = args[2 if word in wrapper.values else 1 :]
            continue
        elif left or (wrapper.assignments and ASSIGNMENT.match(word)):
            left -= 1 if left else 0
            args = args[1:]
            continue
        if not left or word == "--":
            break
    return args


def _wrapper(invocation: Invocation) -> str | None:
    name = invocation.name
    wrapper = invocation.shell.place.policy.wrappers.get(name)
    if wrapper is None:
        return None
    if name == "command" and invocation.flag("-v", "-V"):
        return "\n".join(invocation.positionals()) + "\n"
    if name in ("strace", "ltrace") and invocation.flag("-p"):
        raise Blocked("It looks into a process that this command did not start.")
    if name == "npx" and (texts := [*invocation.option("-c"), *invocation.option("--call")]):
        return "".join(execute(invocation.shell, text, invocation.stdin) for text in texts)
    argv = wrapped(invocation, wrapper)
    if not argv:
        return ""
    if name == "hyperfine":
        return "".join(execute(invocation.shell, text, "") for text in argv if not text.startswith("-"))
    return run(invocation, [_unversioned(argv[0]), *argv[1:]])


def _unversioned(word: str) -> str:
    """`semantic-release@24` is `semantic-release`."""
    return re.sub(r"(?<=.)@[\w.^~-]+$", "", word)


def runner(invocation: Invocation) -> str | None:
    """`uv run`, `poetry run` and their like: the command behind them; and the wrappers of the policy."""
    place = invocation.shell.place
    for line in place.policy.runners:
        name, *words = line.split()
        if name != invocation.name:
            continue
        behind = _behind(invocation, words, place.policy.values.get(name, ()))
        if behind and re.search(r"\s", behind[0]):  # a line for a shell
            return execute(invocation.shell, behind[0], invocation.stdin)
        if behind:
            return run(invocation, [_unversioned(behind[0]), *behind[1:]])
    return _wrapper(invocation)


def _behind(invocation: Invocation, words: list[str], values: tuple[str, ...]) -> list[str]:
    numbered = list(invocation.numbered(values))
    if len(numbered) <= len(words) or any(
        found not in word.split("|") for word, (_, found) in zip(words, numbered, strict=False)
    ):
        return []
    return invocation.args[numbered[len(words)][0] :]


def _texts(*options: str) -> Callable[[Invocation], str | None]:
    """Programs that take a command as the value of an option."""

    def see(invocation: Invocation) -> str | None:
        texts = [text for option in options for text in invocation.option(option)]
        for text in texts:
            execute(invocation.shell, text, invocation.stdin)
        return marks.OUTPUT if texts else None

    return see


def _joined(skip: int, *values: str) -> Callable[[Invocation], str | None]:
    """Programs that take a command as their last words, which a shell reads."""

    def see(invocation: Invocation) -> str | None:
        words = list(invocation.option("-c")) or invocation.positionals(values)[skip:]
        return execute(invocation.shell, " ".join(words), invocation.stdin) if words else marks.OUTPUT

    return see


def _each(invocation: Invocation) -> str:
    """Programs of which every argument is a command."""
    for text in invocation.positionals(("-n", "--names", "-c", "--prefix-colors", "-s", "--success")):
        if " " in text:
            execute(invocation.shell, text, "")
    return marks.OUTPUT


def _tmux(invocation: Invocation) -> str:
    for word in invocation.args:
        if " " in word:
            execute(invocation.shell, word, "")
    words = invocation.positionals(("-s", "-n", "-t", "-c", "-S", "-x", "-y", "-dmS"))
    words = words[1:] if invocation.name == "tmux" else words
    return run(invocation, words) if words else marks.OUTPUT


def _tar(invocation: Invocation) -> str | None:
    for word in invocation.args:
        found = re.match(
            r"--(checkpoint-action=exec|to-command|use-compress-program|rmt-command|rsh-command)=(.+)", word
        )
        if found:
            execute(invocation.shell, found[2], "")
    for text in invocation.option("-I"):
        execute(invocation.shell, text, "")
    return None


def _sed(invocation: Invocation) -> str | None:
    """GNU sed's `e` runs commands."""
    scripts = [*invocation.option("-e"), *invocation.option("--expression")] or invocation.positionals(("-f", "-l"))[
        :1
    ]
    for script in scripts:
        for found in re.finditer(
            r"(?:^|[;\n{])[ \t]{0,9}(?:\d{1,9}|\$|/[^/\n]{0,200}/)?[ \t]{0,9}e[ \t]+([^\n}]{1,4000})", script
        ):
            execute(invocation.shell, found[1], "")
        if re.search(EVALUATES, script):
            raise Blocked("sed's flag e runs what it made of its input. Print it instead.")
    return None


def _editor(invocation: Invocation) -> str | None:
    """`vim -c ':!command'`."""
    for text in [
        *invocation.option("-c"),
        *invocation.option("--cmd"),
        *(a[1:] for a in invocation.args if a[:1] == "+"),
    ]:
        found = re.match(r":*\s*(?:silent!?\s+)?(?:r\s*)?!(.*)|:*\s*call\s+system\(['\"](.*)['\"]\)", text)
        if found:
            execute(invocation.shell, found[1] or found[2] or "", "")
    if invocation.stdin and invocation.name in ("ed", "ex"):
        for line in re.findall(r"(?m)^!(.*)$", invocation.stdin):
            execute(invocation.shell, line, "")
    return None


def _gdb(invocation: Invocation) -> str | None:
    if invocation.flag("-p", "--pid") or any(re.match(r"attach\b", text) for text in invocation.option("-ex")):
        raise Blocked("It looks into a process that this command did not start.")
    for text in [*invocation.option("-ex"), *invocation.option("-iex"), *invocation.option("-o")]:
        found = re.match(r"(?:shell|!|platform shell)\s*(.*)", text)
        if found:
            execute(invocation.shell, found[1], "")
    return None


def _make(invocation: Invocation) -> str | None:
    """A makefile on standard input, and `SHELL=` or `--eval`."""
    for text in invocation.option("--eval"):
        for found in re.findall(r"\$\(shell\s+(.*)\)", text):
            execute(invocation.shell, found, "")
    for file in invocation.option("-f", "--file", "--makefile"):
        text = invocation.stdin if file in ("-", "/dev/stdin") else paths.content(invocation.shell, file, shows=False)
        refuse_hidden(text)
        for line in re.findall(r"(?m)^(?:\t|[\w-]+:.*;)\s*[@-]*(.*)$", text if text != marks.BULK else ""):
            execute(invocation.shell, line.replace("$$", "$"), "")
    for word in invocation.args:
        name, is_set, value = word.partition("=")
        if is_set and name.rstrip(":?+!") in MAKES_RUN:
            execute(invocation.shell, value, "")
    return None


def _npm(invocation: Invocation) -> str | None:
    """`npm exec -c LINE`, and `npm pkg set scripts.NAME=LINE`."""
    words = invocation.positionals(invocation.shell.place.policy.values.get("npm", ()))
    if words[:1] in (["exec"], ["x"]) and (texts := [*invocation.option("-c"), *invocation.option("--call")]):
        return "".join(execute(invocation.shell, text, invocation.stdin) for text in texts)
    if words[:2] == ["pkg", "set"]:
        for script in [word.partition("=")[2] for word in words[2:] if word.startswith("scripts.")]:
            execute(invocation.shell, script, "")
    return None


THROUGH: dict[str, Callable[[Invocation], str | None]] = {
    **dict.fromkeys(SHELLS, _shell),
    "env": _env,
    "xargs": xargs,
    "find": find,
    "gfind": find,
    "parallel": parallel,
    "rush": parallel,
    "watch": _joined(0, "-n", "--interval"),
    "flock": _joined(1, "-w", "--timeout", "-E"),
    "script": _texts("-c", "--command", "-qc", "-qec", "-ec"),
    "expect": _texts("-c"),
    "nix-shell": _texts("--run", "--command"),
    "entr": _joined(0),
    "nodemon": _texts("--exec", "-x"),
    "concurrently": _each,
    "start-server-and-test": _each,
    "npm-run-all": _each,
    "tmux": _tmux,
    "screen": _tmux,
    "tar": _tar,
    "bsdtar": _tar,
    "sed": _sed,
    "gsed": _sed,
    **dict.fromkeys(("vim", "vi", "nvim", "ex", "ed", "view", "emacs"), _editor),
    "gdb": _gdb,
    "lldb": _gdb,
    "npm": _npm,
    "make": _make,
    "gmake": _make,
}
