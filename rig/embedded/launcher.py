"""Starts agents as children when work waits for them, again when they crash, and ends them with the rig."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rig.embedded.children import Child, Start, spawn
from servers.kit.logs import get
from servers.kit.wake import Wake, wait_for_either

log = get(__name__)
TOPIC = "assignments"
LOOK_AGAIN_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
SHORT_LIFE_SECONDS, LONG_LIFE_SECONDS = 2.0, 60.0

Demand = Callable[[], Awaitable[Mapping[str, int]]]
Holders = Callable[[], Awaitable[Collection[str]]]
Environment = Callable[[str, int], dict[str, str]]


@dataclass(frozen=True)
class Post:
    """A character whose agents may be started.

    Attributes:
        follows: Characters after whom this one's turn comes: when one of them starts, so does one of this.
    """

    path: Path
    instances: int
    follows: frozenset[str] = frozenset()


@dataclass
class _Slot:
    """One place for a process of a character; a restarted process keeps its place and so its instance name."""

    process: Child | None = None
    started: float = 0.0
    pause: float = 0.0
    not_before: float = 0.0


@dataclass
class Launcher:
    """Keeps as many processes of each character as there is open and running work for it.

    Attributes:
        posts: The characters by name.
        demand: How much open and in-flight work each character has.
        holders: The instances that hold a claim, which nobody but a process of that name can go on with.
        wake: Tells when work came up.
        environment: The whole environment of the process of a character in a slot.
        start: Starts the agent of a character's file.
        stop_seconds: How long agents may take to end before they are killed.
    """

    posts: Mapping[str, Post]
    demand: Demand
    holders: Holders
    wake: Wake
    environment: Environment
    start: Start = spawn
    stop_seconds: float = 8.0
    _slots: dict[tuple[str, int], _Slot] = field(default_factory=dict[tuple[str, int], _Slot], init=False)
    _watchers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]], init=False)
    _ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def run(self) -> None:
        """Follow the demand for ever."""
        while True:
            seen = self.wake.count(TOPIC)
            self._ended.clear()
            due = LOOK_AGAIN_SECONDS
            try:
                wanted, held = await self.demand(), await self.holders()
            except Exception as error:  # noqa: BLE001 - the database may be away for a moment
                log.warning("the demand for agents cannot be read", error=str(error))
                due = 1.0
            else:
                due = min(due, await self._fill(wanted, held))
            await wait_for_either(self.wake, TOPIC, due, seen, self._ended)

    def running(self) -> dict[str, int]:
        """The processes that run now, by instance."""
        return {
            f"{name}-{number}": slot.process.pid
            for (name, number), slot in self._slots.items()
            if slot.process is not None
        }

    async def stop(self) -> None:
        """Ask every agent to end, and end by force what has not after a few seconds."""
        processes = [slot.process for slot in self._slots.values() if slot.process is not None]
        for process in processes:
            _signal(process, signal.SIGTERM)
        if processes:
            await asyncio.wait([asyncio.ensure_future(p.wait()) for p in processes], timeout=self.stop_seconds)
        for process in processes:
            _signal(process, signal.SIGKILL)
        await asyncio.gather(*self._watchers)

    async def _fill(self, wanted: Mapping[str, int], held: Collection[str]) -> float:
        """Start what is missing, first whoever has work to go on with; how soon a slot that had to wait is due."""
        due = LOOK_AGAIN_SECONDS
        for name, post in self.posts.items():
            slots = [self._slot(name, number) for number in range(post.instances)]
            lacking = min(wanted.get(name, 0), post.instances) - sum(s.process is not None for s in slots)
            for number in sorted(range(post.instances), key=lambda number: f"{name}-{number}" not in held):
                slot = slots[number]
                if slot.process is not None or (lacking <= 0 and f"{name}-{number}" not in held):
                    continue
                lacking -= 1
                wait = slot.not_before - time.monotonic()
                if wait > 0:
                    due = min(due, wait)
                    continue
                await self._start(name, number, slot)
                await self._start_followers(name)
        return due

    async def _start_followers(self, name: str) -> None:
        """Let whoever comes next start up while the first still works."""
        for other, post in self.posts.items():
            slots = [self._slot(other, number) for number in range(post.instances)]
            if name in post.follows and not any(slot.process for slot in slots):
                await self._start(other, 0, slots[0])

    def _slot(self, name: str, number: int) -> _Slot:
        return self._slots.setdefault((name, number), _Slot())

    async def _start(self, name: str, number: int, slot: _Slot) -> None:
        slot.process = await self.start(self.posts[name].path, self.environment(name, number))
        slot.started = time.monotonic()
        log.info("agent started", instance=f"{name}-{number}", pid=slot.process.pid)
        watcher = asyncio.create_task(self._watch(f"{name}-{number}", slot, slot.process))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, instance: str, slot: _Slot, process: Child) -> None:
        code = await process.wait()
        lived = time.monotonic() - slot.started
        slot.pause = _pause(slot.pause, code, lived)
        if code == 0:
            log.info("agent ended", instance=instance)
        else:
            log.warning("agent crashed", instance=instance, code=code, restart_in_seconds=slot.pause)
        slot.process, slot.not_before = None, time.monotonic() + slot.pause
        self._ended.set()


def _pause(before: float, code: int, lived: float) -> float:
    """How long a slot waits before its next start; also after an end without error, if it came at once."""
    if code == 0 and lived > SHORT_LIFE_SECONDS:
        return 0.0
    if lived > LONG_LIFE_SECONDS:
        return FIRST_PAUSE
    return min(max(FIRST_PAUSE, 2 * before), LONGEST_PAUSE)


def _signal(process: Child, number: signal.Signals) -> None:
    """Signal the process, with SIGKILL also what it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
