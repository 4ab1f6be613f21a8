"""Programs that delete, move and write files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules import paths
from servers.workspace.guard.tools import PATCHED
from servers.workspace.guard.verdict import Blocked

SPECIAL_BITS = re.compile(r"[0-7]?[1-7][0-7]{3}|[2467][0-7]{3}|[ugoa,+=rwx-]*[ug]?[+=][rwxX]*s[rwxXt]*")
COPY_VALUES = ("-t", "--target-directory", "-S", "--suffix", "-m", "--mode", "-o", "--owner", "-g", "--group")


def _delete(invocation: Invocation) -> None:
    if invocation.flag("--no-preserve-root"):
        raise Blocked("--no-preserve-root is for deleting the whole machine.")
    for path in invocation.positionals(("-s", "-n", "--size", "--iterations", "--random-source")):
        paths.check_delete(invocation.shell, path)


def _write_all(invocation: Invocation) -> None:
    for path in invocation.positionals(("-s", "--size", "-r", "--reference")):
        paths.check_write(invocation.shell, path)


def _copy(invocation: Invocation) -> None:
    words = invocation.positionals(COPY_VALUES)
    targets = [*invocation.option("-t"), *invocation.option("--target-directory")]
    sources = words if targets else words[:-1]
    for target in targets or words[-1:]:
        if len(words) > 1 or targets:
            paths.check_write(invocation.shell, target)
            _remember(invocation, sources, target)
    if invocation.name == "mv":
        for source in sources:
            paths.check_delete(invocation.shell, source)
    if invocation.name == "ln":
        for source in sources:
            paths.check_read(invocation.shell, source)


def _remember(invocation: Invocation, sources: list[str], target: str) -> None:
    """A program under another name is still that program, and a copy has its content."""
    shell = invocation.shell
    for source in sources[:1]:
        absolute, new = shell.absolute(source), shell.absolute(target)
        if absolute and new and re.match(r"/(usr/)?(local/)?s?bin/", absolute):
            shell.programs[new] = posixpath.basename(absolute)
        if absolute and new and absolute in shell.files:
            shell.files[new] = shell.files[absolute]


def _dd(invocation: Invocation) -> None:
    for word in invocation.args:
        if word.startswith("of="):
            paths.check_write(invocation.shell, word[3:])


def _in_place(invocation: Invocation) -> None:
    if any(re.match(r"-[a-zA-Z]*i|--in-place", word) for word in invocation.args):
        explicit = invocation.flag("-e", "--expression", "-f")
        words = invocation.positionals(("-e", "--expression", "-f", "-l"))
        for path in words if explicit else words[1:]:
            paths.check_write(invocation.shell, path)
    scripts = [*invocation.option("-e"), *invocation.positionals(("-e", "-f", "-l"))[:1]]
    for script in scripts:
        for path in re.findall(r"(?:^|[;}/\dgpI])\s*[wW] (\S+)\s*$", script):
            paths.check_write(invocation.shell, path)


def _rights(invocation: Invocation) -> None:
    words = invocation.positionals(("--reference",))
    if words and invocation.name == "chmod" and SPECIAL_BITS.fullmatch(words[0]) and not _plain_mode(words[0]):
        raise Blocked(f"chmod {words[0]} gives a program the rights of another user.")
    if words and invocation.name == "chown" and re.match(r"(root|0)(:|$)", words[0]):
        raise Blocked("It gives files to root.")
    if any(re.match(r"-\w*[ug]\+.*s|[ug]\+\w*s", word) for word in invocation.args):
        raise Blocked("It gives a program the rights of another user.")
    removes = any(re.fullmatch(r"-[rwxXst]+", word) and word != "-R" for word in invocation.args)
    for path in words if removes else words[1:]:
        paths.check_write(invocation.shell, path)


def _plain_mode(mode: str) -> bool:
    return bool(re.fullmatch(r"[01]?[0-7]{3}", mode))


def _archive(invocation: Invocation) -> None:
    """Where archives are unpacked to, and made."""
    for path in [*invocation.option("-C"), *invocation.option("--directory"), *invocation.option("-d")]:
        if invocation.name in ("unzip", "7z") or _unpacks(invocation.args):
            paths.check_fill(invocation.shell, path)
    if invocation.flag("-P", "--absolute-names") and _unpacks(invocation.args):
        raise Blocked("It unpacks to wherever the archive says. Unpack below the workspace.")


def _unpacks(args: list[str]) -> bool:
    bundled = re.match(r"[a-zA-Z]*x[a-zA-Z]*$", "".join(args[:1])) is not None
    return bundled or any(re.match(r"-[a-zA-Z]*x[a-zA-Z]*$|--(extract|get)$", word) for word in args)


def _key(invocation: Invocation) -> None:
    """`ssh-keygen -f FILE`, which makes a key, or reads one."""
    for path in invocation.option("-f"):
        paths.check_read(invocation.shell, path)
        if not invocation.flag("-l", "-F", "-H", "-R"):
            paths.check_write(invocation.shell, path)


def _patch(invocation: Invocation) -> None:
    for path in [*invocation.option("-d"), *invocation.option("-o")]:
        paths.check_write(invocation.shell, path)


def _apply_patch(invocation: Invocation) -> None:
    """Codex's own command, with the patch as its argument or input."""
    for kind, path, moved in PATCHED.findall("\n".join([*invocation.args, invocation.stdin])):
        check = paths.check_delete if kind == "Delete" else paths.check_write
        check(invocation.shell, (path or moved).strip())


def _rsync(invocation: Invocation) -> None:
    words = invocation.positionals(("-e", "--rsh", "--exclude", "--include", "--filter", "-f", "--exclude-from"))
    if any(re.match(r"(?!/)[^/]*:", word) or word.startswith("rsync://") for word in words):
        raise Blocked("It copies files to or from another machine. Work with what the workspace holds.")
    for program in [*invocation.option("-e"), *invocation.option("--rsh")]:
        invocation.shell.script(program)
    if len(words) > 1:
        paths.check_write(invocation.shell, words[-1])
        if invocation.flag("--delete"):
            paths.check_delete(invocation.shell, words[-1].rstrip("/") + "/" + marks.OUTPUT)


def _checked(rule: Callable[[Invocation], None]) -> Callable[[Invocation], str | None]:
    def judge(invocation: Invocation) -> str | None:
        rule(invocation)
        return None

    return judge


RULES: dict[str, Callable[[Invocation], str | None]] = {
    **dict.fromkeys(
        ("rm", "rmdir", "unlink", "shred", "srm", "rimraf", "trash", "trash-put", "del-cli", "Remove-Item", "gio"),
        _checked(_delete),
    ),
    **dict.fromkeys(
        ("tee", "truncate", "touch", "mkdir", "fallocate", "mkfifo", "mknod", "sponge"), _checked(_write_all)
    ),
    **dict.fromkeys(("cp", "mv", "ln", "install", "scp", "link"), _checked(_copy)),
    "dd": _checked(_dd),
    **dict.fromkeys(("sed", "gsed"), _checked(_in_place)),
    **dict.fromkeys(("chmod", "chown", "chgrp"), _checked(_rights)),
    **dict.fromkeys(("tar", "unzip", "bsdtar", "7z"), _checked(_archive)),
    "apply_patch": _checked(_apply_patch),
    "applypatch": _checked(_apply_patch),
    "patch": _checked(_patch),
    "ssh-keygen": _checked(_key),
    "rsync": _checked(_rsync),
}
