"""Variables that change what other programs do, and arguments that no program should get."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.outputs import READERS
from servers.workspace.guard.program_names import versionless
from servers.workspace.guard.rules import git_config, paths
from servers.workspace.guard.verdict import Blocked

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

HOOKS_OFF = {"HUSKY": "0", "HUSKY_SKIP_HOOKS": None, "LEFTHOOK": "0", "SKIP_HOOKS": None, "PRE_COMMIT_SKIP": None}
GIT = re.compile(
    r"GIT_(SSH|SSH_COMMAND|ASKPASS|PROXY_COMMAND|EXEC_PATH|EXTERNAL_DIFF|TEMPLATE_DIR|CONFIG|CONFIG_GLOBAL|CONFIG_SYSTEM"
    r"|CONFIG_PARAMETERS|ALLOW_PROTOCOL|HTTP_PROXY|SSH_VARIANT|TRACE_CURL)$|SSH_ASKPASS$"
)
STARTED = (
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_PAGER",
    "PAGER",
    "EDITOR",
    "VISUAL",
)
NAMES_ONLY = frozenset(
    [
        "ls",
        "stat",
        "file",
        "chmod",
        "chown",
        "mkdir",
        "rmdir",
        "touch",
        "ln",
        "rm",
        "basename",
        "dirname",
        "realpath",
        "readlink",
        "gh",
        "tree",
        "du",
        "wc",
        "exa",
        "eza",
        "glab",
        "docker",
        "docker-compose",
        "podman",
        "kubectl",
        "helm",
        "ssh-keygen",
        "git",
        "pre-commit",
        "detect-secrets",
        "gitleaks",
        "trufflehog",
    ]
)
PATTERN_FIRST = frozenset(
    [
        "grep",
        "egrep",
        "fgrep",
        "rg",
        "ag",
        "ack",
        "sed",
        "gsed",
        "awk",
        "gawk",
        "mawk",
        "jq",
        "yq",
        "perl",
        "ast-grep",
    ]
)
PATTERN_VALUES = (
    "-e",
    "--regexp",
    "--expression",
    "-v",
    "-F",
    "--arg",
    "-m",
    "-A",
    "-B",
    "-C",
    "-t",
    "-T",
    "--include",
)
CODE = frozenset(
    [
        "python",
        "python3",
        "node",
        "deno",
        "bun",
        "ruby",
        "perl",
        "php",
        "lua",
        "osascript",
        "Rscript",
        "julia",
        "elixir",
        "groovy",
    ]
)


def check(shell: Shell, env: dict[str, str]) -> None:
    """Variables before a command, or exported.

    Raises:
        Blocked: One takes over git's transport, its hooks or its configuration, or starts what is forbidden.
    """
    for name, value in env.items():
        if GIT.match(name) and value not in ("", "/dev/null", "true", "echo", "/bin/true", "https", "1", "0"):
            raise Blocked(f"{name} puts another program or configuration under git. Use git as it is set up.")
        if name in HOOKS_OFF and HOOKS_OFF[name] in (None, value):
            raise Blocked(f"{name} turns the repository's hooks off. Make them pass.")
        if name.startswith("GIT_CONFIG_KEY_"):
            number = name.removeprefix("GIT_CONFIG_KEY_")
            git_config.check(shell, value, env.get(f"GIT_CONFIG_VALUE_{number}", marks.VARIABLE))
        if name in shell.place.policy.fills["environment"] and value:
            paths.check_fill(shell, value)
        if name in STARTED and value and not marks.unknown(value) and name not in ("ENV",):
            shell.script(value)


def check_arguments(invocation: Invocation) -> None:
    """What any program is given to read.

    Raises:
        Blocked: A file of credentials.
    """
    name = invocation.name
    for folder in invocation.option(*invocation.shell.place.policy.fills.get(versionless(name), ())):
        paths.check_fill(invocation.shell, folder)
    if name in ("kubectl", "helm", "k9s", "ssh-keygen", "find"):
        return
    shows = name in READERS
    for word in readable(invocation):
        if name in NAMES_ONLY and not _below_home_secret(word):
            continue
        if not (name in CODE and re.search(r"[\s(]", word)):
            paths.check_read(invocation.shell, word, shows)


def _below_home_secret(word: str) -> bool:
    """Of programs that only name files, what they are given of a home is still looked at."""
    return "/.ssh:" in word or "/.aws:" in word or word.startswith(("/proc/", "--mount", "--volume"))


def readable(invocation: Invocation) -> list[str]:
    """Arguments in which paths stand: without the pattern that some programs take first."""
    if invocation.name not in PATTERN_FIRST:
        return [word for word in invocation.args if word]
    explicit = any(invocation.flag(flag) for flag in ("-e", "--regexp", "--expression", "-f", "--file"))
    words = invocation.positionals(PATTERN_VALUES)
    return [*words[0 if explicit else 1 :], *invocation.option("-f"), *invocation.option("--file")]
