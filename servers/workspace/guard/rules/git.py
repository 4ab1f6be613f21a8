"""Git: what is pushed where, what runs beside it, and what it deletes."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules import git_config, git_push, paths
from servers.workspace.guard.verdict import Blocked

VALUES = ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--super-prefix", "--attr-source")
ELSEWHERE = ("--git-dir", "--work-tree")
WITH_HOOKS = ("commit", "merge", "rebase", "am", "cherry-pick", "revert", "pull", "push")
COMMIT_VALUES = "mFCct"
READS = ("--get", "--get-all", "--get-regexp", "--list", "-l", "--get-urlmatch", "--show-origin", "--name-only")
SCRIPTS = {
    "rebase": ("-x", "--exec"),
    "filter-branch": (
        "--tree-filter", "--index-filter", "--env-filter", "--msg-filter", "--commit-filter", "--parent-filter",
        "--tag-name-filter", "--setup",
    ),
    "difftool": ("-x", "--extcmd"),
    "grep": ("-O", "--open-files-in-pager"),
    "clone": ("-u", "--upload-pack"),
    "fetch": ("--upload-pack",),
    "pull": ("--upload-pack",),
    "ls-remote": ("--upload-pack", "--exec"),
    "archive": ("--exec",),
}  # fmt: skip
CURRENT = ("--show-current", "--abbrev-ref", "--short")


def git(invocation: Invocation) -> str | None:
    """Judge `git …`.

    Raises:
        Blocked: It rewrites or merges what others see, turns hooks off, or runs what is forbidden.
    """
    shell = invocation.shell
    if invocation.name.startswith("git-"):
        return _sub(invocation, invocation.name[4:], invocation.args)
    cwd = shell.cwd
    try:
        args = _global(invocation)
        return _sub(invocation, args[0], args[1:]) if args else marks.OUTPUT
    finally:
        shell.cwd = cwd


def _global(invocation: Invocation) -> list[str]:
    """The arguments behind git's own options, which are checked."""
    args, shell = list(invocation.args), invocation.shell
    while args and args[0].startswith("-"):
        word = args.pop(0)
        if word == "-C" and args:
            folder = args.pop(0)
            shell.cwd = None if marks.ANY.match(folder) else shell.absolute(folder)
        elif word == "-c" and args:
            _setting(invocation, args.pop(0))
        elif word.startswith("--config-env"):
            _setting(invocation, word.partition("=")[2] or (args.pop(0) if args else ""))
        elif word.startswith("--exec-path="):
            raise Blocked("--exec-path puts other programs under git. Use git as it is set up.")
        elif word.partition("=")[0] in ELSEWHERE:
            folder = word.partition("=")[2] or (args.pop(0) if args else "")
            paths.check_fill(shell, folder)
        elif word in VALUES and args:
            args.pop(0)
    return args


def _setting(invocation: Invocation, text: str) -> None:
    key, _, value = text.partition("=")
    if key.lower().startswith("alias.") and not value.startswith("!"):
        invocation.shell.aliases[f"git {key[6:]}"] = value
        return
    git_config.check(invocation.shell, key, value)


def _sub(invocation: Invocation, name: str, args: list[str]) -> str | None:
    shell = invocation.shell
    alias = shell.aliases.get(f"git {name}")
    if alias is not None and "git" not in shell.calling:
        shell.calling.append("git")
        try:
            return shell.calls.call(shell, ["git", *alias.split(), *args], "", {})
        finally:
            shell.calling.pop()
    sub = invocation._replace(name=name, args=args)
    _check_hooks(sub)
    for text in [text for option in SCRIPTS.get(name, ()) for text in sub.option(option)]:
        execute(shell, text, "")
    if any(word.startswith(("ext::", "fd::")) for word in args):
        raise Blocked("ext:: runs a program as transport. Use https.")
    rule = SUBCOMMANDS.get(name)
    return rule(sub) if rule else _said(sub)


def _check_hooks(sub: Invocation) -> None:
    if sub.name not in WITH_HOOKS:
        return
    short = sub.name == "commit" and any(_without_hooks(word) for word in _own_options(sub.args))
    if short or any(len(word) > 7 and "--no-verify".startswith(word) for word in _own_options(sub.args)):
        raise Blocked("--no-verify turns the repository's hooks off. Make them pass.")


def _own_options(args: list[str]) -> list[str]:
    """Options, without the words that are values of others."""
    found: list[str] = []
    skip = False
    for word in args:
        if skip:
            skip = False
            continue
        if word == "--":
            break
        if word.startswith("-"):
            found.append(word)
        long_value = word in (
            "--message",
            "--file",
            "--author",
            "--date",
            "--template",
            "--trailer",
            "--fixup",
            "--onto",
        )
        skip = long_value or bool(re.fullmatch(r"-[a-bd-zA-Z]*[mFCct]", word))
    return found


def _without_hooks(word: str) -> bool:
    """Whether -n stands among commit's short options."""
    if word.startswith("--") or not word.startswith("-"):
        return False
    for letter in word[1:]:
        if letter in COMMIT_VALUES:
            return False
        if letter == "n":
            return True
    return False


def _config(sub: Invocation) -> None:
    if any(sub.flag(flag) for flag in READS):
        return
    words = sub.positionals(("-f", "--file", "--type", "--default", "--comment", "--value"))
    words = words[1:] if words[:1] and words[0] in ("set", "unset", "get", "list", "edit", "add") else words
    if sub.args[:1] in (["get"], ["list"]):
        return
    if sub.flag("-e", "--edit") or sub.args[:1] == ["edit"]:
        raise Blocked("Git's configuration is not edited as a whole. Set the one key.")
    removes = sub.flag("--unset", "--unset-all", "--remove-section") or sub.args[:1] == ["unset"]
    if len(words) > 1 or (removes and words):
        key, value = words[0], words[1] if len(words) > 1 else ""
        if key.lower().startswith("alias.") and not value.startswith("!"):
            sub.shell.aliases[f"git {key[6:]}"] = value
        git_config.check(sub.shell, key, value)


def _made(sub: Invocation) -> None:
    """`git clone` and `git init`: settings and hooks that the new repository begins with."""
    settings = [*sub.option("-c"), *sub.option("--config")] if sub.name == "clone" else []
    for text in settings:
        _setting(sub, text)
    if any(sub.option("--template")):
        raise Blocked("--template puts hooks into a repository. Leave it out.")


def _worktree(sub: Invocation) -> None:
    for path in sub.positionals(("-b", "-B", "--reason"))[1:2] if sub.args[:1] == ["add"] else ():
        if path[:1] in ("/", "~"):
            paths.check_write(sub.shell, path)


def _shows(sub: Invocation) -> str | None:
    """What shows files of commits: `show COMMIT:PATH`, `log -p -- PATH`."""
    for word in sub.positionals():
        paths.check_read(sub.shell, word.rpartition(":")[2] or word, shows=True)
    return marks.BULK


def _log(sub: Invocation) -> str | None:
    return _shows(sub) if sub.flag("-p", "-u", "--patch", "-L") else marks.BULK


def _remote(sub: Invocation) -> None:
    words = sub.positionals(("-t", "-m"))
    if words[:1] and words[0] in ("set-url", "rename", "remove", "rm", "set-head"):
        raise Blocked(f"`git remote {words[0]}` changes where the work is pushed. Leave the remotes as they are.")
    if words[:1] == ["add"] and len(words) > 2:
        git_config_url(words[2])


def git_config_url(url: str) -> None:
    """A remote's address is an address, and no program.

    Raises:
        Blocked: It names a program.
    """
    if url.startswith(("ext::", "fd::", "-")):
        raise Blocked("A remote's address is no program. Use https.")


def _clean(sub: Invocation) -> None:
    shell = sub.shell
    for path in sub.positionals(("-e", "--exclude")):
        paths.check_delete(shell, path if path not in (".", "./") else "./\x01")
    if shell.cwd is not None and sub.flag("-f", "--force"):
        paths.check_delete(shell, f"{shell.cwd.rstrip('/')}/{marks.OUTPUT}")


def _rm(sub: Invocation) -> None:
    for path in sub.positionals():
        if path not in (".", "./"):
            paths.check_delete(sub.shell, path)


def _switch(sub: Invocation) -> str | None:
    words = sub.positionals(("--orphan",))
    created = [*sub.option("-b"), *sub.option("-B"), *sub.option("-c"), *sub.option("-C"), *sub.option("--orphan")]
    if created:
        sub.shell.branch = created[0]
    elif words and "--" not in sub.args and "." not in words[0].split("/")[-1]:
        sub.shell.branch = words[0]
    return marks.OUTPUT


def _runs(sub: Invocation) -> str | None:
    """`git bisect run …`, `git submodule foreach …`."""
    words = sub.args
    if words[:1] == ["run"]:
        return sub.shell.calls.call(sub.shell, words[1:], "", {})
    if "foreach" in words:
        rest = [word for word in words[words.index("foreach") + 1 :] if word != "--recursive"]
        return execute(sub.shell, " ".join(rest), "")
    return marks.OUTPUT


def _credential(sub: Invocation) -> str | None:
    raise Blocked(f"`git {sub.name}` hands credentials out. Pushing works without them.")


def _diff(sub: Invocation) -> str | None:
    if not sub.flag("--stat", "--name-only", "--name-status", "--quiet"):
        for path in sub.positionals():
            paths.check_read(sub.shell, path, shows=True)
    for path in [*sub.option("-o"), *sub.option("--output"), *sub.option("--output-directory")]:
        paths.check_write(sub.shell, path)
    return marks.BULK


def _apply(sub: Invocation) -> str | None:
    if sub.flag("--unsafe-paths") or list(sub.option("--directory")):
        raise Blocked("A patch is applied within the workspace.")
    return marks.OUTPUT


def _branch(sub: Invocation) -> str | None:
    return (sub.shell.branch or "HEAD") + "\n" if sub.flag("--show-current") else marks.OUTPUT


def _rev_parse(sub: Invocation) -> str | None:
    if sub.flag("--show-toplevel"):
        return sub.shell.place.workspace + "\n"
    if sub.flag("--git-dir", "--git-common-dir"):
        return ".git\n"
    return (sub.shell.branch or "HEAD") + "\n" if sub.flag("--abbrev-ref", "--short") else marks.OUTPUT


def _said(sub: Invocation) -> str | None:
    return (
        marks.BULK if sub.name in ("show", "log", "archive", "format-patch", "bundle", "cat-file") else marks.OUTPUT
    )


def _checked(rule: Callable[[Invocation], None]) -> Callable[[Invocation], str | None]:
    def judge(sub: Invocation) -> str | None:
        rule(sub)
        return marks.OUTPUT

    return judge


SUBCOMMANDS: dict[str, Callable[[Invocation], str | None]] = {
    "push": _checked(git_push.push),
    "send-pack": _checked(git_push.push),
    "config": _checked(_config),
    "remote": _checked(_remote),
    "clone": _checked(_made),
    "init": _checked(_made),
    "worktree": _checked(_worktree),
    **dict.fromkeys(("show", "cat-file", "blame", "annotate"), _shows),
    "log": _log,
    "clean": _checked(_clean),
    "rm": _checked(_rm),
    "checkout": _switch,
    "switch": _switch,
    "bisect": _runs,
    "submodule": _runs,
    **dict.fromkeys(
        ("credential", "credential-store", "credential-cache", "send-email", "imap-send", "daemon"), _credential
    ),
    "diff": _diff,
    "format-patch": _diff,
    "apply": _apply,
    "branch": _branch,
    "symbolic-ref": _branch,
    "rev-parse": _rev_parse,
}
RULES: dict[str, Callable[[Invocation], str | None]] = {
    "git": git,
    **dict.fromkeys(("git-push", "git-config", "git-remote", "git-clean", "git-credential"), git),
}
