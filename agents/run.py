"""The life of an agent process: claim, work, claim again; leave when idle, told to, or replaced."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

from agents import providers
from agents.assigned import Run
from agents.assignment import Assignment
from agents.errors import NoModel, Stopped
from agents.exits import FAILED, NO_MODEL, OK, SUPERSEDED, TERMINATED
from agents.heartbeat import Pulse
from agents.mesh import Identity, Mesh, open_mesh
from agents.patience import first_of
from agents.providers import Provider
from agents.settings import AgentSettings
from agents.supervisor import supervise
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


def main(path: Path) -> int:
    """Run the agent of the character at `path`; answers the exit code."""
    logs.configure()
    try:
        settings = AgentSettings.load()
        logs.configure(settings.log_level)
        character = characters.load(path)
        providers.require_key(settings)
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
        asyncio.get_running_loop().add_signal_handler(name, _leave, stop)
    return await run_agent(character, settings, stop)


def _leave(stop: asyncio.Event) -> None:
    """Leave in order when told to, and at once when told again."""
    if stop.is_set():
        log.warning("told to leave again; unfinished work is lost")
        os._exit(TERMINATED)
    stop.set()


async def run_agent(character: Character, settings: AgentSettings, stop: asyncio.Event) -> int:
    """Claim and work until there is nothing to do for long enough, or `stop` is set.

    Raises:
        Superseded: Another process of this slot took over.
        NoModel: There is no model to work with.
        RigError: The rig refuses this agent.
    """
    agent = Agent(character, settings, stop)
    try:
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
        self._identity = Identity(slot, settings.token.get_secret_value())
        self._folder = settings.data_dir.expanduser().resolve() / "agents" / re.sub(r"[^\w.-]", "_", slot)
        # The SDK takes a second or two to import: let that happen while we wait for work.
        loading = asyncio.to_thread(providers.load, character.llm, settings)
        self._provider: asyncio.Task[Provider] = asyncio.create_task(loading)

    async def live(self) -> int:
        """Work until it is time to leave."""
        shutil.rmtree(self._folder / "runs", ignore_errors=True)  # what a killed process before us left
        log.info("ready", agent=self._character.name, instance=self._identity.instance, boot=self._identity.boot)
        folder = self._folder / "runs" / uuid4().hex  # of this process alone: one that it replaced may still write
        try:
            (folder / "tree").mkdir(parents=True)
            async with open_mesh(self._character, self._settings, self._identity, folder) as mesh:
                while assignment := await self._next(mesh):
                    await self._work(assignment, mesh, folder)
                    await mesh.release()
                    await asyncio.to_thread(empty, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return OK

    async def aclose(self) -> None:
        """Close what outlives single runs."""
        self._provider.cancel()
        if self._provider.done() and not self._provider.cancelled() and not self._provider.exception():
            await self._provider.result().aclose()

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
            asked = {"kinds": list(self._character.work), "wait_seconds": wait}
            try:
                answer = await mesh.call("conductor", "claim_assignment", asked, patience=0)
                if answer.get("assignment"):
                    return Assignment.model_validate(answer["assignment"])
            except Unavailable as error:
                log.warning("the conductor is away", reason=str(error))
                await asyncio.sleep(AWAY_SECONDS)
            if limit and time.monotonic() - began >= limit:
                return None

    async def _work(self, assignment: Assignment, mesh: Mesh, folder: Path) -> None:
        log.info("claimed", issue=assignment.issue, kind=assignment.kind, run=assignment.run)
        mesh.hold(assignment.claim)
        pulse = Pulse(assignment, mesh, self._identity, self._character.heartbeat_seconds)
        copy = WorkingCopy(self._folder / "clones" / f"{assignment.repository}.git", folder)
        run = Run(assignment, self._character, self._settings, mesh, copy, pulse, self._load)
        try:
            await supervise(run, pulse, self._stopped())
        except NoModel as error:
            await _tell(mesh, f"has no model: {error}")
            raise

    async def _load(self) -> Provider:
        return await asyncio.shield(self._provider)

    async def _stopped(self) -> NoReturn:
        await self._stop.wait()
        raise Stopped("the agent's process was told to leave")


async def _tell(mesh: Mesh, step: str) -> None:
    """Let people see why this process is not there."""
    try:
        await mesh.call("conductor", "heartbeat", {"step": step[:SHOWN]}, patience=0)
    except RigError as error:
        log.info("nobody could be told", step=step, reason=str(error))


def hide() -> None:
    """Keep other processes of the same user, such as a model's commands, from reading our environment and memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


def _leave_with_parent() -> NoReturn:
    """End the process when whoever started it is gone; a claim left behind is taken over or lapses."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(FAILED)
