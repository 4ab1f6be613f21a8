"""Installs the system programs that the rig and its tests need, or says which command does."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

RUN = {"git": "git"}
TEST = {**RUN, "bwrap": "bubblewrap", "chromium": "chromium", "redis-server": "redis-server", "rg": "ripgrep"}
INSTEAD = {"chromium": ("chromium-browser", "google-chrome"), "redis-server": ("valkey-server",)}
ONLY_LINUX = {"bwrap"}
OTHER_PLATFORMS = {
    "brew": ("brew install", {"redis-server": "redis"}),
    "dnf": ("sudo dnf install", {"redis-server": "redis"}),
    "pacman": ("sudo pacman -S", {"redis-server": "redis"}),
    "apk": ("sudo apk add", {"redis-server": "redis"}),
}


def main(purpose: str) -> int:
    if sys.version_info < (3, 11):
        print(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=python3.12 …")
        return 1
    wanted = TEST if purpose == "test" else RUN
    if missing(wanted) and may_install():
        install(missing(wanted))
    packages = missing(wanted)
    if packages:
        print(f"Missing: {', '.join(packages)}. Install with:\n  {command(packages)}")
    return 1 if {"git", "python3-venv"} & set(packages) else 0


def missing(programs: dict[str, str]) -> list[str]:
    """The packages whose programs are not on PATH."""
    wanted = {name: package for name, package in programs.items() if not present(name)}
    packages = [package for name, package in wanted.items() if on_linux() or name not in ONLY_LINUX]
    return packages if importlib.util.find_spec("ensurepip") else ["python3-venv", *packages]


def present(name: str) -> bool:
    return any(shutil.which(program) for program in (name, *INSTEAD.get(name, ())))


def on_linux() -> bool:
    return sys.platform == "linux"


def may_install() -> bool:
    """Only root on Debian: nobody's laptop is changed behind their back."""
    return on_linux() and os.geteuid() == 0 and Path("/etc/debian_version").exists()


def install(packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"Installing {', '.join(packages)}", flush=True)
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout + done.stderr)
    importlib.invalidate_caches()


def command(packages: list[str]) -> str:
    for manager, (start, names) in OTHER_PLATFORMS.items():
        if shutil.which(manager):
            return " ".join([start, *(names.get(package, package) for package in packages)])
    return " ".join(["sudo apt-get install -y --no-install-recommends", *packages])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
