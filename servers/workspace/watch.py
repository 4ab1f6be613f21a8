"""Ends a command that takes more than its share of processes, memory or disk."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from servers.workspace.children import family, proportional, resident
from servers.workspace.sandbox import MIB, Limits, Order, Running

EVERY_SECONDS = 0.05
NOTICED_PART = 8
SELDOM_SECONDS = 2.0


@dataclass(frozen=True)
class Usage:
    """What folders hold."""

    bytes: int
    files: int


@dataclass
class Watch:
    """Looks at a running command and says what it takes too much of.

    The folders are walked when the disk lost as much as to be noticed, and else rarely: it takes as long as they are
    big.
    """

    order: Order
    running: Running
    _free: tuple[int, int] = field(init=False)
    _due: float = field(init=False)

    def __post_init__(self) -> None:
        self._free = self._left()
        self._due = time.monotonic() + SELDOM_SECONDS

    async def until_exceeded(self) -> str:
        """What was exceeded, in words for whoever gave the command; never returns while nothing is."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if said := self._crowd() or await self._disk():
                return said

    def _crowd(self) -> str:
        limits = self.order.limits
        processes = family(self.running.pid, limits.processes)
        if len(processes) > limits.processes:
            return f"it started more than {limits.processes} processes"
        if _memory(processes, limits):
            return f"it took more than {limits.memory_bytes // MIB} MiB of memory"
        return ""

    async def _disk(self) -> str:
        limits, began = self.order.limits, time.monotonic()
        if not self._noticed() and began < self._due:
            return ""
        self._free = self._left()
        used = await asyncio.to_thread(usage, [self.order.root, self.order.private.folder])
        self._due = time.monotonic() + max(SELDOM_SECONDS, 20 * (time.monotonic() - began))
        if used.bytes > limits.disk_bytes:
            return f"the workspace and its temporary files hold more than {limits.disk_bytes // MIB} MiB; delete some"
        if used.files > limits.files:
            return f"the workspace and its temporary files are more than {limits.files}; delete some"
        return ""

    def _noticed(self) -> bool:
        (space, names), left = self._free, self._left()
        self._free = max(space, left[0]), max(names, left[1])  # what it deleted first does not hide what it writes
        limits = self.order.limits
        lost_space, lost_names = space - left[0], names - left[1]
        return lost_space * NOTICED_PART >= limits.disk_bytes or lost_names * NOTICED_PART >= limits.files

    def _left(self) -> tuple[int, int]:
        said = os.statvfs(self.order.private.folder)
        return said.f_bfree * said.f_frsize, said.f_ffree


def _memory(processes: list[int], limits: Limits) -> bool:
    if sum(map(resident, processes)) <= limits.memory_bytes:
        return False
    return sum(map(proportional, processes)) > limits.memory_bytes


def usage(folders: Iterable[Path]) -> Usage:
    """The disk space and the number of files below some folders; a file with several names counts once."""
    used, files = 0, 0
    linked: set[tuple[int, int]] = set()
    ahead = [str(folder) for folder in folders]
    while ahead:
        with suppress(OSError), os.scandir(ahead.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                files += 1
                if status.st_nlink == 1 or entry.is_dir(follow_symlinks=False):
                    used += status.st_blocks * 512
                elif (status.st_dev, status.st_ino) not in linked:
                    linked.add((status.st_dev, status.st_ino))
                    used += status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(entry.path)
    return Usage(used, files)
