"""Judges one command: sees through what only runs another, then asks the policy and the rules."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.builtins import BUILTINS
from servers.workspace.guard.execute import execute, refuse_hidden
from servers.workspace.guard.invocation import Invocation, has_flag
from servers.workspace.guard.outputs import said
from servers.workspace.guard.policy import Command
from servers.workspace.guard.program_names import versionless
from servers.workspace.guard.rules import (
    containers,
    databases,
    environment,
    files,
    git,
    github,
    interpreters,
    network,
    paths,
    processes,
)
from servers.workspace.guard.shell import Shell
from servers.workspace.guard.through import THROUGH, runner
from servers.workspace.guard.verdict import Blocked, Unclear

HELP = ("--help", "-help", "--version")
MOST_WORDS = 4000
LONGEST_OUTPUT = 64 * 1024
RULES: tuple[dict[str, Callable[[Invocation], str | None]], ...] = (
    containers.RULES,
    databases.RULES,
    files.RULES,
    git.RULES,
    github.RULES,
    interpreters.RULES,
    network.RULES,
    processes.RULES,
)
BY_PROGRAM = {name: rule for rules in RULES for name, rule in rules.items()}


class Calls:
    """Every command that a script runs comes through here."""

    def call(self, shell: Shell, argv: list[str], stdin: str, env: dict[str, str]) -> str:
        """Judge a command; what it prints.

        Raises:
            Blocked: The policy or a rule forbids it.
        """
        shell.steps += 1
        if len(argv) > MOST_WORDS:
            raise Unclear(f"It has more than {MOST_WORDS} words. Hand them over in a file.")
        environment.check(shell, env)
        if not argv:
            for name, value in env.items():
                shell.assign(name, value)
            return ""
        out = self._with(shell, argv, stdin, env)
        return out if len(out) <= LONGEST_OUTPUT else marks.BULK + marks.of(out)

    def assigned(self, shell: Shell, name: str, value: str) -> None:
        """Judge a variable that is set.

        Raises:
            Blocked: It changes what other programs do.
        """
        environment.check(shell, {name: value})

    def _with(self, shell: Shell, argv: list[str], stdin: str, env: dict[str, str]) -> str:
        if not env:
            return self._named(shell, argv, stdin, env)
        kept = dict(shell.values)
        shell.values |= {name: [value] for name, value in env.items()}
        try:
            return self._named(shell, argv, stdin, env)
        finally:
            shell.values = kept

    def _named(self, shell: Shell, argv: list[str], stdin: str, env: dict[str, str]) -> str:
        first = argv[0]
        if marks.unknown(first) or ("/" in first and paths.GLOB.search(first)):
            return self._unknown(shell, argv)
        if first in shell.aliases and first not in shell.calling:
            return self._alias(shell, argv, stdin)
        if first in shell.functions:
            return self._function(shell, argv, stdin)
        self._check_written(shell, first)
        name = program(shell, first)
        invocation = Invocation(shell, name, argv[1:], stdin, env)
        if name in BUILTINS:
            return BUILTINS[name](invocation)
        return self._program(invocation)

    def _program(self, invocation: Invocation) -> str:
        check_policy(invocation)
        for see in (THROUGH.get(invocation.name), runner):
            out = see(invocation) if see else None
            if out is not None:
                return out
        environment.check_arguments(invocation)
        rule = BY_PROGRAM.get(versionless(invocation.name))
        out = rule(invocation) if rule else None
        return said(invocation) if out is None else out

    def _check_written(self, shell: Shell, first: str) -> None:
        """A program that this command itself wrote or fetched."""
        text = shell.files.get(shell.absolute(first) or first, "") if "/" in first else ""
        refuse_hidden(text)
        if text and not marks.unknown(text) and re.match(r"#!.*sh\b|(?!#!)", text):
            execute(shell, text, "")

    def _unknown(self, shell: Shell, argv: list[str]) -> str:
        """A program whose name only shows when it runs."""
        refuse_hidden(argv[0])
        if any(has_flag(argv[1:], flag) for flag in ("-r", "-R", "-f")):
            for path in argv[1:]:
                if path[:1] in "/~." and not path.startswith("./"):
                    paths.check_delete(shell, path)
        return marks.OUTPUT

    def _alias(self, shell: Shell, argv: list[str], stdin: str) -> str:
        shell.calling.append(argv[0])
        try:
            rest = " ".join(quote(word) for word in argv[1:])
            return shell.script(f"{shell.aliases[argv[0]]} {rest}", stdin)
        finally:
            shell.calling.pop()

    def _function(self, shell: Shell, argv: list[str], stdin: str) -> str:
        function = shell.functions[argv[0]]
        if argv[0] in shell.calling:
            if "|" in function.source and "&" in function.source:
                raise Blocked("It starts itself again and again, without end.")
            return marks.OUTPUT
        return shell.run_function(function, argv, stdin)


def program(shell: Shell, first: str) -> str:
    """The name of a program, by whatever path it is called."""
    known = shell.programs.get(shell.absolute(first) or first) if "/" in first else None
    return known or paths.basename(first).removesuffix(".exe") or first


def quote(word: str) -> str:
    """A word in single quotes, its marks still marks."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`") + '"'


def check_policy(invocation: Invocation) -> None:
    """The policy's list of commands.

    Raises:
        Blocked: It is on it.
    """
    place = invocation.shell.place
    commands = place.commands.of(invocation.name)
    if not commands:
        return
    words = invocation.positionals(place.policy.values.get(invocation.name, ()))
    for command in commands:
        if _matches(command, invocation, words):
            called = " ".join([invocation.name, *words[: max(len(command.words), 0)]])
            raise Blocked(f"`{marks.shown(called)[:200]}`: {command.because}.")


def _matches(command: Command, invocation: Invocation, words: list[str]) -> bool:
    if not command.begins(words) or (command.words and invocation.args[-1] in HELP and len(invocation.args) < 4):
        return False
    if not all(invocation.flag(flag) or _valued(flag, invocation.args) for flag in command.flags):
        return False
    return not any(invocation.flag(flag) or _valued(flag, invocation.args) for flag in command.without)


def _valued(flag: str, args: list[str]) -> bool:
    """Whether `--option=value` stands there, as one word or as two."""
    name, equals, value = flag.partition("=")
    if not equals:
        return False
    if value.startswith("*"):
        return any(word.startswith(name) and word.endswith(value[1:]) for word in args)
    return flag in args or any(a == name and b == value for a, b in itertools.pairwise(args))
