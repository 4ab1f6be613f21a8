"""Counts what a command has running, by what the kernel says of each process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run; none where the system does not say."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - once for each process, ten times a second
            with suppress(OSError):  # a thread that ended hands its children to another
                found += map(int, (PROC / str(pid) / "task" / thread / "children").read_text().split())
    return found


def family(pid: int, at_most: int) -> list[int]:
    """A process and all below it, of which no more than `at_most` are looked for."""
    found, ahead = list[int](), [pid]
    while ahead and len(found) <= at_most:
        one = ahead.pop()
        found.append(one)
        ahead += children(one)
    return found


def resident(pid: int) -> int:
    """The bytes of memory in which a process has something; pages that it shares count whole."""
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0


def proportional(pid: int) -> int:
    """The same with shared pages counted in part; takes the kernel longer."""
    with suppress(OSError, ValueError, IndexError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return resident(pid)
