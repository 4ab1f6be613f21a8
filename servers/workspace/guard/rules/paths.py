"""Which files may be read, written and deleted."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NoReturn

from servers.workspace.guard import marks
from servers.workspace.guard.place import HOME_OF_ANYBODY, Place
from servers.workspace.guard.verdict import Blocked

if TYPE_CHECKING:
    from servers.workspace.guard.scope import Scope

PATHS = re.compile(r"(?:^|(?<=[=@:,]))(?:~|/|\.{1,2}/)[^=@:,\s]*")
EMPTY = re.compile(r"^\x00+/+(\.?\*.*)?$")
ANCESTOR = re.compile(r"^[\x00-\x06]+(/+\.{1,2})*/+\.\./*$")
GLOB = re.compile(r"[*?\[]")
LONGEST = 4096


def check_delete(scope: Scope, path: str) -> None:
    """Deletion stays within the workspace and the folders for temporary files.

    Raises:
        Blocked: It does not.
    """
    path = path.replace(marks.DECODED, "")
    if EMPTY.match(path):
        raise Blocked("If the variable is empty, it deletes everything. Write the path out, or use ${name:?}.")
    if ANCESTOR.match(path):
        raise Blocked(f"It deletes {marks.shown(path)}, a folder above. Delete only below the workspace.")
    if marks.ANY.match(path) or not path:
        return
    place, absolute = scope.place, scope.absolute(path)
    if absolute is None:
        return
    if place.inside(absolute):
        _check_own(place, absolute)
    elif _climbs(scope, path) or not place.is_scratch(absolute):
        raise Blocked(f"It deletes {marks.shown(path)}, outside the workspace. Delete only below the workspace.")


def _check_own(place: Place, absolute: str) -> None:
    relative = place.relative(absolute)
    if not relative:
        raise Blocked("It deletes the workspace itself. Name what has to go.")
    if relative == ".git" or place.is_protected_file(absolute):
        raise Blocked(f"It deletes {relative}, which git lives on. Use git's own commands.")


def _climbs(scope: Scope, path: str) -> bool:
    return path[0] not in "/~" and scope.cwd is not None and scope.place.inside(scope.cwd)


def check_write(scope: Scope, path: str) -> None:
    """Writing stays within the workspace and the folders for temporary files.

    Raises:
        Blocked: It does not.
    """
    path = path.replace(marks.DECODED, "")
    if not path or marks.ANY.match(path):
        return
    place, absolute = scope.place, scope.absolute(path)
    if absolute is None or place.is_device(absolute):
        return
    if place.is_protected_file(absolute):
        raise Blocked(f"{place.relative(absolute)} is what git or a CLI runs by itself. Leave it as it is.")
    if place.inside(absolute):
        return
    if absolute.startswith("/dev/") and not place.is_scratch(absolute):
        raise Blocked(f"It writes to the device {absolute}. Write to files of the workspace.")
    if place.is_credential(absolute):
        raise Blocked(f"It writes the credentials {absolute}. Leave them alone.")
    if _climbs(scope, path) or not place.is_scratch(absolute):
        raise Blocked(f"It writes {marks.shown(path)}, outside the workspace. Write below the workspace or /tmp.")


def check_fill(scope: Scope, folder: str) -> None:
    """A folder that a program fills may be written to, whatever it puts there.

    Raises:
        Blocked: It may not.
    """
    check_write(scope, f"{folder.rstrip('/')}/x")


def check_read(scope: Scope, argument: str, shows: bool = False) -> None:
    """No credential is read.

    Args:
        argument: A word of a command in which paths may stand.
        shows: Whether the program shows what it reads, so that secret files of the repository count too.

    Raises:
        Blocked: It names a file of credentials.
    """
    if len(argument) > LONGEST:
        return
    for path in [argument, *PATHS.findall(argument)]:
        if path.startswith("-") or (path is not argument and path == argument):
            continue
        absolute = scope.absolute(path.replace(marks.DECODED, ""))
        if absolute and is_credential(scope.place, absolute):
            raise Blocked(f"{marks.shown(path)} holds credentials or a process's environment. Work without them.")
        if shows and absolute and scope.place.is_secret_file(absolute):
            raise Blocked(f"{marks.shown(path)} holds secrets. Use it by its name, without showing it.")


def is_credential(place: Place, absolute: str) -> bool:
    """Whether a path is, or may by its pattern be, a file of credentials."""
    if absolute.endswith((".pub", "/known_hosts")):
        return False
    return place.is_credential(absolute) or (GLOB.search(absolute) is not None and _may_match(place, absolute))


def _may_match(place: Place, pattern: str) -> bool:
    """Whether a pattern of the shell may stand for a credential."""
    parts = HOME_OF_ANYBODY.sub("~", pattern).strip("/").split("/")
    if pattern.startswith(place.home + "/"):
        parts = ["~", *pattern[len(place.home) :].strip("/").split("/")]
    for known in place.policy.credentials:
        base = known.removesuffix("/**").strip("/").split("/")
        if len(parts) >= len(base) and all(_part(k, p) for k, p in zip(base, parts, strict=False)):
            return True
    return False


def _part(known: str, pattern: str) -> bool:
    hidden = known.startswith(".") and pattern[:1] in "*?["
    return known == pattern or (len(pattern) < 200 and not hidden and fnmatchcase(known, pattern))


def content(scope: Scope, path: str, shows: bool = True) -> str:
    """What a file holds, if the command wrote it itself.

    Raises:
        Blocked: It holds credentials.
    """
    check_read(scope, path, shows)
    if path == "/dev/null":
        return ""
    absolute = scope.absolute(path)
    return scope.files.get(absolute or path, marks.BULK)


def block_socket(path: str, place: Place) -> None:
    """`/dev/tcp/host/port` only reaches this machine.

    Raises:
        Blocked: It is another host.
    """
    host = path.split("/")[3] if path.count("/") >= 3 else ""
    if marks.unknown(host) or not place.is_local_host(host):
        raise Blocked(f"It opens a connection to {marks.shown(host) or 'a host'}. Only this machine is reached so.")


def block_secret(reason: str) -> NoReturn:
    """A credential stays where it is."""
    raise Blocked(f"{reason} Credentials and whole environments stay where they are.")


def basename(program: str) -> str:
    """The name under which a program is known."""
    return posixpath.basename(program)
