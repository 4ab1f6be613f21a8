"""What programs print, as far as it matters for what is made of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules import paths

SECRET_NAMES = re.compile(r"(?i)token|secret|passw|key|cred|auth|^[\^.*$]*$")
READERS = frozenset(
    [
        "cat",
        "bat",
        "batcat",
        "less",
        "more",
        "head",
        "tail",
        "tac",
        "nl",
        "grep",
        "egrep",
        "fgrep",
        "rg",
        "ag",
        "ack",
        "sed",
        "awk",
        "gawk",
        "mawk",
        "cut",
        "sort",
        "uniq",
        "base64",
        "base32",
        "xxd",
        "od",
        "hexdump",
        "strings",
        "jq",
        "yq",
        "dd",
        "paste",
        "column",
        "fold",
        "fmt",
        "pr",
        "join",
        "comm",
        "diff",
        "view",
        "zcat",
        "gzcat",
        "bzcat",
        "xzcat",
        "tee",
        "rev",
        "look",
        "openssl",
        "gpg",
        "tar",
        "zip",
        "gzip",
        "bzip2",
        "xz",
        "zstd",
        "7z",
        "cpio",
        "ar",
        "uuencode",
        "basenc",
        "perl",
        "ruby",
        "iconv",
        "split",
        "dotenvx",
    ]
)
TEMPORARY = "/tmp/tmp."  # noqa: S108
QUIET = frozenset(["wc", "sha256sum", "sha1sum", "md5sum", "shasum", "cksum", "b2sum"])


def said(invocation: Invocation) -> str:
    """What a program prints: its text, or marks for what is not known."""
    maker = MAKERS.get(invocation.name)
    if maker:
        return maker(invocation)
    if invocation.name in QUIET:
        return marks.OUTPUT
    return _filtered(invocation)


def _filtered(invocation: Invocation) -> str:
    """What is not known of a filter's output still carries what went into it."""
    stdin = invocation.stdin
    found = marks.of(stdin).replace(marks.VARIABLE, marks.OUTPUT)
    if invocation.name in READERS and not stdin:
        return marks.BULK
    if stdin and not found and invocation.name in READERS:
        return marks.DECODED
    return found or marks.OUTPUT


def _cat(invocation: Invocation) -> str:
    names = invocation.positionals()
    if not names:
        return invocation.stdin
    return "".join(invocation.stdin if name == "-" else paths.content(invocation.shell, name) for name in names[:32])


def _tee(invocation: Invocation) -> str:
    for name in invocation.positionals():
        invocation.shell.files[invocation.shell.absolute(name) or name] = invocation.stdin
    return invocation.stdin


def _lines(invocation: Invocation) -> str:
    """Programs that pass lines on as they are."""
    names = invocation.positionals(("-n", "-c", "-k", "-t"))
    return _cat(invocation._replace(args=names)) if invocation.stdin and not names else _filtered(invocation)


def _base64(invocation: Invocation) -> str:
    if not invocation.flag("-d", "-D", "--decode", "-di"):
        return marks.of(_input(invocation)).replace(marks.OUTPUT, "") + marks.BULK + marks.DECODED
    return _decoded(_input(invocation), lambda text: base64.b64decode(text + "==="))


def _xxd(invocation: Invocation) -> str:
    if not invocation.flag("-r"):
        return marks.of(_input(invocation)).replace(marks.OUTPUT, "") + marks.BULK + marks.DECODED
    return _decoded(_input(invocation), lambda text: binascii.unhexlify(re.sub(r"\s", "", text)))


def _decoded(text: str, decode: Callable[[str], bytes]) -> str:
    if marks.unknown(text):
        return marks.of(text) + marks.DECODED
    try:
        return decode(text.strip()).decode("utf-8", "replace").replace("\x00", "") + marks.DECODED
    except (ValueError, binascii.Error):
        return marks.DECODED


def _input(invocation: Invocation) -> str:
    return invocation.stdin if invocation.stdin else _cat(invocation)


def _rewritten(_: Invocation) -> str:
    return marks.DECODED


def _tr(invocation: Invocation) -> str:
    if invocation.stdin and not marks.unknown(invocation.stdin):
        return marks.DECODED
    return _filtered(invocation)


def _grep(invocation: Invocation) -> str:
    """Of an environment, only what its pattern asks for comes through."""
    if marks.SECRET not in invocation.stdin:
        return _filtered(invocation)
    patterns = [*invocation.option("-e"), *invocation.positionals(("-e", "-m", "-A", "-B", "-C"))]
    wanted = invocation.flag("-v", "--invert-match") or not patterns or any(SECRET_NAMES.search(p) for p in patterns)
    if invocation.flag("-c", "-q", "--count", "--quiet"):
        return marks.OUTPUT
    return marks.SECRET if wanted else marks.OUTPUT


def _printenv(invocation: Invocation) -> str:
    names = invocation.positionals()
    place = invocation.shell.place
    if not names or any(place.is_secret_variable(name) for name in names):
        return marks.SECRET
    return marks.OUTPUT


def _find(invocation: Invocation) -> str:
    roots: list[str] = []
    for word in invocation.args:
        if word[:1] in "-(!":
            break
        roots.append(word)
    return "\n".join(f"{root.rstrip('/')}/{marks.OUTPUT}" for root in roots or ["."]) + "\n"


def _listed(invocation: Invocation) -> str:
    """Names below folders; with a pattern the shell has joined the path already."""
    roots = invocation.positionals(("-I", "-w"))
    if any(invocation.flag(flag) for flag in ("-d",)) or any(re.search(r"[*?]", root) for root in roots):
        return "\n".join(roots) + "\n"
    return marks.OUTPUT


def _mktemp(_: Invocation) -> str:
    return f"{TEMPORARY}{marks.OUTPUT}\n"


def _dirname(invocation: Invocation) -> str:
    word = next(iter(invocation.positionals()), "")
    return (word.rpartition("/")[0] or ("/" if word.startswith("/") else ".")) + "\n"


def _basename(invocation: Invocation) -> str:
    return paths.basename(next(iter(invocation.positionals()), "")) + "\n"


def _realpath(invocation: Invocation) -> str:
    word = next(iter(invocation.positionals(("--relative-to", "--relative-base"))), "")
    return word if marks.ANY.match(word) else (invocation.shell.absolute(word) or marks.OUTPUT) + "\n"


def _fetched(_: Invocation) -> str:
    return marks.NETWORK


def _process(_: Invocation) -> str:
    return marks.OUTPUT


def _cut(invocation: Invocation) -> str:
    """`cut -d= -f1` leaves the names of an environment."""
    names = list(invocation.option("-d")) == ["="] and list(invocation.option("-f")) == ["1"]
    return marks.OUTPUT if names else _filtered(invocation)


def _yes(invocation: Invocation) -> str:
    return " ".join(invocation.args) + "\n"


MAKERS: dict[str, Callable[[Invocation], str]] = {
    "cat": _cat,
    "bat": _cat,
    "tee": _tee,
    "sponge": _tee,
    **dict.fromkeys(("head", "tail", "sort", "uniq", "column", "pv", "fold", "fmt", "less", "more"), _lines),
    "base64": _base64,
    "xxd": _xxd,
    **dict.fromkeys(("uudecode", "rev", "rot13", "base32", "basenc", "tac", "caesar"), _rewritten),
    "tr": _tr,
    **dict.fromkeys(("grep", "egrep", "fgrep", "rg", "ag", "ack"), _grep),
    "printenv": _printenv,
    "find": _find,
    "fd": _process,
    "ls": _listed,
    "mktemp": _mktemp,
    "dirname": _dirname,
    "basename": _basename,
    "realpath": _realpath,
    "readlink": _realpath,
    **dict.fromkeys(("curl", "wget", "http", "https", "xh", "aria2c", "fetch", "lynx", "w3m", "links"), _fetched),
    "cut": _cut,
    "yes": _yes,
    "jq": _filtered,
}
