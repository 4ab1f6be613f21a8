"""Which parts of the machine a command sees, read-only: programs and what they need, nobody's files."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
SYSTEM: Final = tuple(
    Path(path)
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
)
# Configuration that programs need and that holds no secret of a well-kept machine.
ETC: Final = tuple(
    Path("/etc") / name
    for name in (
        "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version",
        "dotnet", "fonts", "group", "hosts", "inputrc", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk",
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "lsb-release", "magic", "mime.types",
        "nsswitch.conf", "os-release", "passwd", "perl", "pki/ca-trust", "pki/tls/certs", "profile", "protocols",
        "python3", "python3.11", "python3.12", "python3.13", "services", "ssl/certs", "ssl/openssl.cnf", "terminfo",
        "timezone",
    )
)  # fmt: skip
# What a toolchain's folder is made of; beside these may stand credentials and caches.
TOOLCHAIN: Final = (
    "bin", "host", "include", "lib", "lib32", "lib64", "libexec", "packs", "pyvenv.cfg", "sbin", "sdk", "shared",
    "shims", "toolchains", "version", "versions",
)  # fmt: skip
# A virtual environment and a version manager hold nothing but what was installed.
ALL_CODE: Final = (("pyvenv.cfg",), ("shims", "libexec", "versions"))


def system() -> list[Path]:
    """What every command sees: the system's programs and configuration, and the toolchains on PATH."""
    return [*programs(), *(path for path in ETC if path.exists())]


def programs() -> list[Path]:
    """The same without the configuration."""
    return list(_programs(os.environ.get("PATH", os.defpath), str(Path.home())))


def copy_configuration(folder: Path) -> None:
    """Put the configuration into a folder, which takes a sandbox one mount instead of thirty."""
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    for path in ETC:
        copied = made / path.relative_to("/etc")
        with suppress(OSError, shutil.Error):
            copied.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.copytree(path, copied, symlinks=True)
            else:
                shutil.copy2(path, copied, follow_symlinks=False)
    made.chmod(0o755)
    try:
        made.rename(folder)
    except OSError:  # somebody else was faster
        shutil.rmtree(made, ignore_errors=True)


@cache
def _programs(path: str, home: str) -> tuple[Path, ...]:
    own = [Path(sys.executable).parent, Path(sys.executable).resolve().parent, Path(sys.base_prefix) / "bin"]
    found = [*SYSTEM]
    for folder in dict.fromkeys([*map(Path, path.split(os.pathsep)), *own]):
        if folder.is_absolute() and not _is_under(folder, SYSTEM) and not _is_above(folder, Path(home)):
            found += [folder, *_beside(folder, Path(home))]
    return tuple(_outermost([*found, PACKAGE]))


def _beside(folder: Path, home: Path) -> Iterator[Path]:
    """What belongs to the toolchain whose programs stand in this folder."""
    prefix = folder.parent
    if folder.name not in ("bin", "sbin", "shims", "libexec") or _is_above(prefix, home):
        return
    if any(all((prefix / name).exists() for name in names) for names in ALL_CODE):
        yield prefix
    else:
        yield from (prefix / name for name in TOOLCHAIN)


def _outermost(paths: Iterable[Path]) -> Iterator[Path]:
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda one: len(one.parts)):
        if path.exists() and not _is_under(path, kept):
            kept.append(path)
            yield path


def _is_under(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _is_above(path: Path, other: Path) -> bool:
    return other.is_relative_to(path)
