"""`rig up`: from settings to a running whole, and in order back to nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from rig.cli.access import joining
from rig.cli.output import console, hanging, print_json
from rig.embedded.children import Start, nursery
from rig.embedded.compose import Composed, composed
from rig.embedded.crew import Crew, allowed, characters_folder
from rig.embedded.first_start import DataFolder, person_token, write_config
from rig.embedded.known import require_known_keys
from rig.embedded.launcher import Launcher
from rig.embedded.postgres import EmbeddedPostgres
from rig.embedded.preflight import look, require_access, require_sandbox
from rig.embedded.server import Served, bind
from rig.embedded.settings import UpSettings, remarks, require_complete
from servers.github.settings import GitHubSettings
from servers.kit import logs
from servers.kit.auth import SigningKey
from servers.kit.errors import Unavailable
from servers.kit.settings import adopt_familiar_names

log = logs.get(__name__)


def main(overrides: dict[str, Any], as_json: bool) -> int:
    """Read the settings, run until SIGINT or SIGTERM, and answer the exit code."""
    adopt_familiar_names()
    settings, github = UpSettings.load(**overrides), GitHubSettings.load()
    logs.configure(settings.log_level)
    require_known_keys()
    require_complete(settings, github)
    asyncio.run(up(settings, github, as_json))
    return 0


async def up(settings: UpSettings, github: GitHubSettings, as_json: bool) -> None:
    """Run everything until the process is told to stop.

    Raises:
        RigError: Something cannot start, or ended although it should not.
    """
    crew = Crew(characters_folder(settings), settings.agents)
    crew.require_models(settings)
    folder = DataFolder(settings.data_dir)
    folder.make()
    ending = _ending(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.locked())
        key = folder.signing_key()
        await person_token(folder, key)
        listening = stack.enter_context(bind(settings.host, settings.port))
        port = listening.getsockname()[1]
        base = _base(settings.host, port)
        start = await stack.enter_async_context(nursery(allowed(os.environ)))
        await asyncio.to_thread(require_sandbox)
        looking = asyncio.create_task(look(github))
        stack.callback(looking.cancel)
        url = await stack.enter_async_context(_database(settings, folder))
        unsure = require_access(await looking)
        rig = await stack.enter_async_context(composed(settings, github, crew, key, url, base))
        await stack.enter_async_context(_serving(rig, listening, ending))
        await stack.enter_async_context(_agents(rig, crew, settings, key, base, start))
        made = write_config(settings.host, port, github.repositories)  # only what has just worked
        for line in unsure:
            log.warning(line)
        if as_json:
            print_json({"url": base, "token_file": str(folder.token_file.absolute())}, pretty=False)
        else:
            wrote = [f"Wrote {made}."] if made else []
            _greet(base, [*wrote, *remarks(settings, github), *unsure], folder.token_file)
        await ending.wait()
        log.info("stopping")


@asynccontextmanager
async def _database(settings: UpSettings, folder: DataFolder) -> AsyncGenerator[str]:
    if given := settings.database_url.get_secret_value():
        yield given
        return
    async with EmbeddedPostgres(folder.postgres) as postgres:
        yield postgres.url


@asynccontextmanager
async def _serving(rig: Composed, listening: Any, ending: asyncio.Event) -> AsyncGenerator[None]:
    server = Served(rig.app, listening)
    await server.ready()
    watching = asyncio.create_task(_end_with(server, ending))
    try:
        yield
        if server.failed.is_set() or server.task.done():
            raise Unavailable("The servers broke down; the log says why.")
    finally:
        watching.cancel()
        rig.dashboard.close()
        await server.stop()


async def _end_with(server: Served, ending: asyncio.Event) -> None:
    failed = asyncio.ensure_future(server.failed.wait())
    await asyncio.wait({failed, server.task}, return_when=asyncio.FIRST_COMPLETED)
    ending.set()


@asynccontextmanager
async def _agents(
    rig: Composed, crew: Crew, settings: UpSettings, key: SigningKey, base: str, start: Start
) -> AsyncGenerator[None]:
    desk = rig.app.state.conductor
    environment = crew.environment(settings, key, base)

    async def ended(instance: str, why: str) -> None:
        name = instance.rpartition("-")[0]
        await desk.dispatch.note_end(name, instance, crew.catalogue[name].role, why)

    dispatch = desk.dispatch
    launcher = Launcher(crew.posts, dispatch.demand, dispatch.holders, desk.wake, environment, start, ended)
    running = asyncio.create_task(launcher.run())
    try:
        yield
    finally:
        running.cancel()
        await launcher.stop()


def _ending(settings: UpSettings) -> asyncio.Event:
    """Set by the first signal to stop, or when whoever started us with a pipe is gone."""
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    if settings.parent_pipe:
        loop.add_reader(sys.stdin.fileno(), lambda: _gone(ending))
    return ending


def _gone(ending: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        ending.set()


def _base(host: str, port: int) -> str:
    """Where the rig reaches itself: an address of this machine even if it listens on all."""
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{own}:{port}"


def _greet(base: str, said: list[str], token_file: Path) -> None:
    """Tell the person at the keyboard where everything is; the token itself stays in its file."""
    out = console()
    out.print(f"[bold]The rig is up[/]\n  page  {base}\n  MCP   {base}/mcp/conductor")
    for line in said:
        out.print(hanging(line, out.width, "    ", "  - "), markup=False, soft_wrap=True)
    out.print(f"  Your token is in {token_file}. Join with Claude Code:", markup=False, soft_wrap=True)
    out.print(f"  {joining(base, token_file)}", markup=False, soft_wrap=True)
    out.print("  Ctrl-C stops everything.")
