"""The life of an agent process: claim, work, claim again; leave when idle, told to, or replaced."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from agents import lean, leftovers, status
from agents.assigned import Run
from agents.assignment import Assignment
from agents.errors import NoModel, Stopped
from agents.exits import FAILED, NO_MODEL, OK, SUPERSEDED, TERMINATED
from agents.heartbeat import Pulse
from agents.leftovers import Leftover
from agents.mesh import Identity, Mesh, open_mesh
from agents.patience import first_of
from agents.providers import Provider, loading
from agents.run_folder import RunFolder
from agents.settings import AgentSettings
from agents.standing import Standing
from agents.supervisor import Found, supervise
from agents.workspace import WorkingCopy, empty
from servers.kit import character as characters
from servers.kit import logs
from servers.kit.character import Character
from servers.kit.errors import RigError, Superseded, Unavailable

log = logs.get(__name__)
POLL_SECONDS = 20
AWAY_SECONDS = 1
PR_SET_DUMPABLE = 4
SHOWN = 200
LAST_WORDS_SECONDS = 2
LEFT = "left: "  # how the last words of a process begin
FAREWELL_SECONDS = 11  # beside the time for saving: what has to be cancelled, told and closed


def main(path: Path) -> int:
    """Run the agent of the character at `path`; answers the exit code."""
    logs.configure()
    try:
        settings = AgentSettings.load()
        logs.configure(settings.log_level)
        character = characters.load(path)
        loading.require(character, settings)
        if settings.parent_pipe:
            threading.Thread(target=_leave_with_parent, daemon=True).start()
        return asyncio.run(_run_until_signal(character, settings))
    except Superseded as error:
        log.critical("another process of this slot took over", reason=str(error))
        return SUPERSEDED
    except NoModel as error:
        log.critical("the agent has no model to work with", reason=str(error))
        return NO_MODEL
    except RigError as error:
        log.critical("the agent cannot run", reason=str(error), code=error.code())
        return FAILED


async def _run_until_signal(character: Character, settings: AgentSettings) -> int:
    hide()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, _leave, stop, settings.drain_seconds + FAREWELL_SECONDS)
    return await run_agent(character, settings, stop)


def _leave(stop: asyncio.Event, seconds: float) -> None:
    """Leave in order when told to, at once when told again, and after so many seconds whatever still hangs."""
    if stop.is_set():
        log.warning("told to leave again; unfinished work is lost")
        os._exit(TERMINATED)
    stop.set()
    # A thread, for what hangs may be the loop itself.
    overdue = threading.Timer(seconds, _overdue)
    overdue.daemon = True
    overdue.start()


def _overdue() -> NoReturn:
    log.critical("leaving takes too long; the process ends as it is")
    os._exit(TERMINATED)


async def run_agent(character: Character, settings: AgentSettings, stop: asyncio.Event) -> int:
    """Claim and work until there is nothing to do for long enough, or `stop` is set.

    Raises:
        Superseded: Another process of this slot took over.
        NoModel: There is no model to work with.
        RigError: The rig refuses this agent.
    """
    agent = Agent(character, settings, stop)
    try:
        async with status.serving(agent.standing, settings.status_host, settings.status_port):
            return await agent.live()
    finally:
        await agent.aclose()


class Agent:
    """One process of a character."""

    def __init__(self, character: Character, settings: AgentSettings, stop: asyncio.Event) -> None:
        self._character = character
        self._settings = settings
        self._stop = stop
        slot = settings.slot(character.name)
        self._left: Leftover | None = None
        self._identity = Identity(slot, settings.token.get_secret_value())
        self._folder = settings.data_dir.expanduser().resolve() / "agents" / re.sub(r"[^\w.-]", "_", slot)
        self._provider: asyncio.Task[Provider] | None = None
        self.standing = Standing(character, slot)

    async def live(self) -> int:
        """Work until it is time to leave."""
        runs = self._folder / "runs"
        self._left = await asyncio.to_thread(leftovers.take, runs)
        log.info("ready", agent=self._character.name, instance=self._identity.instance, boot=self._identity.boot)
        try:
            with RunFolder(runs) as place:
                async with open_mesh(self._character, self._settings, self._identity, place.path) as mesh:
                    lean.trim()
                    while assignment := await self._next(mesh):
                        await self._work(assignment, mesh, place)
                        await mesh.release()
                        await asyncio.to_thread(empty, place.path)
                        lean.trim()
                    await self._say_goodbye(mesh)
        finally:
            await self._throw_away("nobody offered the work again")
        return OK

    async def _say_goodbye(self, mesh: Mesh) -> None:
        idle = f"there was no work for {self._settings.idle_exit_seconds:g} seconds"
        why = "its process was told to leave" if self._stop.is_set() else idle
        self.standing.leave(why)
        await _tell(mesh, f"{LEFT}{why}")

    async def aclose(self) -> None:
        """Close what outlives single runs."""
        provider = self._provider
        if provider is None:
            return
        provider.cancel()
        if provider.done() and not provider.cancelled() and not provider.exception():
            await provider.result().aclose()

    async def _next(self, mesh: Mesh) -> Assignment | None:
        """The next assignment, or None when it is time to leave."""
        if self._stop.is_set():
            return None
        try:
            assignment = await first_of(self._claim(mesh), self._stopped())
        except Stopped:
            return None
        if assignment is None:
            log.info("no work for a while; leaving", agent=self._character.name)
        return assignment

    async def _claim(self, mesh: Mesh) -> Assignment | None:
        """The next assignment, or None when there was none for long enough."""
        began, limit = time.monotonic(), self._settings.idle_exit_seconds
        while True:
            left = began + limit - time.monotonic() if limit else POLL_SECONDS
            wait = max(0.0, min(POLL_SECONDS, left))
            me = self._character
            asked = {"kinds": list(me.work), "wait_seconds": wait, "providers": me.providers}
            try:
                answer = await mesh.call("conductor", "claim_assignment", asked, patience=0)
                self.standing.wait(answer.get("paused") or ())
                if answer.get("assignment"):
                    return Assignment.model_validate(answer["assignment"])
            except Unavailable as error:
                log.warning("the conductor is away", reason=str(error))
                await asyncio.sleep(AWAY_SECONDS)
            if limit and time.monotonic() - began >= limit:
                return None

    async def _work(self, assignment: Assignment, mesh: Mesh, place: RunFolder) -> None:
        log.info("claimed", issue=assignment.issue, kind=assignment.kind, run=assignment.run)
        mesh.hold(assignment.claim)
        self._loading()  # beside the fetching of the repository
        pulse = Pulse(assignment, mesh, self._identity, self._character.heartbeat_seconds)
        clone = self._settings.clones / f"{assignment.repository}.git"
        copy = WorkingCopy(clone, place.path)
        run = Run(assignment, self._character, self._settings, mesh, copy, pulse, self._load, place.note)
        try:
            with self.standing.working(run):
                async with run.live.sending():
                    await supervise(run, pulse, self._stopped(), self._found(clone))
        except NoModel as error:
            await _tell(mesh, f"{LEFT}it has no model: {error}")
            raise
        finally:
            place.note(None)
            await pulse.acknowledge()

    def _found(self, clone: Path) -> Found | None:
        """The unfinished work of a killed process, which the first run after it goes on with or throws away."""
        if self._left is None or self._left.work is None:
            return None
        return Found(self._left.work, WorkingCopy(clone, self._left.folder), self._throw_away)

    async def _throw_away(self, reason: str | None) -> None:
        """Delete the files of a killed process; without a reason they were saved."""
        left, self._left = self._left, None
        if left is None:
            return
        if reason:
            about = left.work.issue if left.work else ""
            log.warning("the files of a killed process are thrown away", issue=about, reason=reason)
        await asyncio.to_thread(left.drop)

    async def _load(self) -> Provider:
        return await asyncio.shield(self._loading())

    def _loading(self) -> asyncio.Task[Provider]:
        """Loads the provider once: its SDK takes a second and as much memory as an idle agent has no use for."""
        if self._provider is None:
            loaded = asyncio.to_thread(loading.load, self._character, self._settings)
            self._provider = asyncio.create_task(loaded)
        return self._provider

    async def _stopped(self) -> NoReturn:
        await self._stop.wait()
        raise Stopped("the agent's process was told to leave")


async def _tell(mesh: Mesh, step: str) -> None:
    """Let people see why this process is not there."""
    try:
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            await mesh.call("conductor", "heartbeat", {"step": step[:SHOWN]}, patience=0)
    except (RigError, TimeoutError) as error:
        log.info("nobody could be told", step=step, reason=str(error) or "it took too long")


def hide() -> None:
    """Keep other processes of the same user, such as a model's commands, from reading our environment and memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


def _leave_with_parent() -> NoReturn:
    """End the process when whoever started it is gone; a claim left behind is taken over or lapses."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(FAILED)
