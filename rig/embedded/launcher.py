"""Starts agents as children when work waits for them, again when they crash, and ends them with the rig."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.exits import NO_MODEL, OK, SUPERSEDED, WHY
from rig.embedded.children import Child, Start, spawn
from servers.kit.errors import RigError
from servers.kit.logs import get
from servers.kit.wake import Wake, wait_for_either

log = get(__name__)
TOPIC = "assignments"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
SHORT_LIFE_SECONDS, LONG_LIFE_SECONDS = 2.0, 60.0
FIRST_PAUSE_WITHOUT_MODEL, LONGEST_PAUSE_WITHOUT_MODEL = 5.0, 300.0

Demand = Callable[[], Awaitable[Mapping[str, int]]]
Holders = Callable[[], Awaitable[Mapping[str, str]]]
Ended = Callable[[str, str], Awaitable[None]]
Environment = Callable[[str, int], dict[str, str]]


async def nobody(_instance: str, _why: str) -> None:
    """Where nobody wants to know."""


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
    """One place for a process of a character; a restarted process keeps its place and so its instance name.

    Attributes:
        claims: What the instance held when its process started, and so did not take itself.
        worked: Whether the process took something.
        idle_since: When the process started or was last seen to hold something.
    """

    process: Child | None = None
    started: float = 0.0
    claims: str = ""
    worked: bool = False
    idle_since: float = 0.0
    pause: float = 0.0
    not_before: float = 0.0


@dataclass
class Launcher:
    """Keeps as many processes of each character as there is open and running work for it.

    Attributes:
        posts: The characters by name.
        demand: How much open and in-flight work each character has.
        holders: The instances that hold a claim, which nobody but a process of that name can go on with; each with
            a text that is another one for every claim.
        wake: Tells when work came up.
        environment: The whole environment of the process of a character in a slot.
        start: Starts the agent of a character's file.
        ended: Is told of a process that ended without a word: its instance, and why.
        stop_seconds: How long agents may take to end before they are killed.
        unserved_seconds: How long work waits for those that run before there is one more.
        hung_seconds: How long work waits before those who hold none are taken for hung.
        look_again_seconds: How often is looked without a wake-up.
    """

    posts: Mapping[str, Post]
    demand: Demand
    holders: Holders
    wake: Wake
    environment: Environment
    start: Start = spawn
    ended: Ended = nobody
    stop_seconds: float = 12.0
    unserved_seconds: float = 5.0
    hung_seconds: float = 60.0
    look_again_seconds: float = 5.0
    _slots: dict[tuple[str, int], _Slot] = field(default_factory=dict[tuple[str, int], _Slot], init=False)
    _unserved: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _watchers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]], init=False)
    _ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def run(self) -> None:
        """Follow the demand for ever."""
        while True:
            seen = self.wake.count(TOPIC)
            self._ended.clear()
            due = self.look_again_seconds
            try:
                wanted, held = await self.demand(), await self.holders()
            except Exception as error:  # noqa: BLE001 - the database may be away for a moment
                log.warning("the demand for agents cannot be read", error=str(error))
                due = 1.0
            else:
                self._note_work(held)
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

    def _note_work(self, held: Mapping[str, str]) -> None:
        for (name, number), slot in self._slots.items():
            slot.worked = slot.worked or held.get(f"{name}-{number}", slot.claims) != slot.claims
            if f"{name}-{number}" in held:
                slot.idle_since = time.monotonic()

    async def _fill(self, wanted: Mapping[str, int], held: Mapping[str, str]) -> float:
        """Start what is missing, first whoever has work to go on with; how soon a slot that had to wait is due."""
        due = self.look_again_seconds
        for name, post in self.posts.items():
            slots = [self._slot(name, number) for number in range(post.instances)]
            lacking = min(wanted.get(name, 0), post.instances) - sum(s.process is not None for s in slots)
            if self._is_unserved(name, post, wanted.get(name, 0), held):
                lacking = max(lacking, 1)  # whoever should have taken it hangs
                self._end_hung(name, slots)
            for number in sorted(range(post.instances), key=lambda number: f"{name}-{number}" not in held):
                slot = slots[number]
                if slot.process is not None or (lacking <= 0 and f"{name}-{number}" not in held):
                    continue
                lacking -= 1
                wait = slot.not_before - time.monotonic()
                if wait > 0:
                    due = min(due, wait)
                    continue
                await self._start(name, number, slot, held)
                await self._start_followers(name, held)
        return due

    def _is_unserved(self, name: str, post: Post, wanted: int, held: Mapping[str, str]) -> bool:
        """Whether work stays open for a while although there seem to be enough processes for it."""
        if wanted <= sum(f"{name}-{number}" in held for number in range(post.instances)):
            self._unserved.pop(name, None)
            return False
        since = self._unserved.setdefault(name, time.monotonic())
        return time.monotonic() - since > self.unserved_seconds

    def _end_hung(self, name: str, slots: list[_Slot]) -> None:
        """Kill those who have had time to take the open work and did not; they leave their place to the next."""
        for number, slot in enumerate(slots):
            began = max(slot.idle_since, self._unserved[name])
            if slot.process is not None and time.monotonic() - began > self.hung_seconds:
                log.warning("agent takes no work and is replaced", instance=f"{name}-{number}", pid=slot.process.pid)
                _signal(slot.process, signal.SIGKILL)

    async def _start_followers(self, name: str, held: Mapping[str, str]) -> None:
        """Let whoever comes next start up while the first still works."""
        for other, post in self.posts.items():
            slots = [self._slot(other, number) for number in range(post.instances)]
            if name in post.follows and not any(slot.process for slot in slots):
                await self._start(other, 0, slots[0], held)

    def _slot(self, name: str, number: int) -> _Slot:
        return self._slots.setdefault((name, number), _Slot())

    async def _start(self, name: str, number: int, slot: _Slot, held: Mapping[str, str]) -> None:
        slot.claims, slot.worked = held.get(f"{name}-{number}", ""), False
        slot.process = await self.start(self.posts[name].path, self.environment(name, number))
        slot.started = slot.idle_since = time.monotonic()
        log.info("agent started", instance=f"{name}-{number}", pid=slot.process.pid)
        watcher = asyncio.create_task(self._watch(f"{name}-{number}", slot, slot.process))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, instance: str, slot: _Slot, process: Child) -> None:
        code = await process.wait()
        lived = time.monotonic() - slot.started
        with contextlib.suppress(RigError):  # the database may be away for a moment
            self._note_work(await self.holders())
        slot.pause = pause(slot.pause, code, lived, slot.worked)
        if code == 0:
            log.info("agent ended", instance=instance)
        else:
            why = WHY.get(code, "it crashed")
            log.warning("agent ended early", instance=instance, code=code, why=why, restart_in_seconds=slot.pause)
        slot.process, slot.not_before = None, time.monotonic() + slot.pause
        self._ended.set()
        if code not in (OK, NO_MODEL, SUPERSEDED):  # those say why themselves
            with contextlib.suppress(RigError):
                await self.ended(instance, WHY.get(code, f"it crashed (code {code})"))


def pause(before: float, code: int, lived: float, worked: bool) -> float:
    """How long a slot waits before its next start, in seconds; also after an end without error, if it came at once.

    Args:
        before: The pause before this one.
        worked: Whether the process took any work, and so was sound when it started.
    """
    if code == NO_MODEL:
        return min(max(FIRST_PAUSE_WITHOUT_MODEL, 2 * before), LONGEST_PAUSE_WITHOUT_MODEL)
    if code == 0 and lived > SHORT_LIFE_SECONDS:
        return 0.0
    if worked or lived > LONG_LIFE_SECONDS:
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
