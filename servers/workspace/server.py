"""The workspace's tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve
from pydantic import Field

from servers.kit.errors import InvalidInput
from servers.kit.serve import Part
from servers.kit.tools import DESTRUCTIVE_WORLD, READ, WRITE, Toolbox, state_of
from servers.workspace.commands import CommandResult, Shell, environment
from servers.workspace.guard.gate import Gate
from servers.workspace.leave import NO_LEAVE, Leave, leave_of
from servers.workspace.registries import known
from servers.workspace.sandbox import Private, choose
from servers.workspace.search import Search
from servers.workspace.settings import WorkspaceSettings
from servers.workspace.store import Workspace

tools = Toolbox(
    "workspace",
    "The files of the repository that you work on, and a shell in it. Paths are relative to its root.",
)
RUN = DESTRUCTIVE_WORLD.model_copy(update={"idempotent_hint": False})


@dataclass(frozen=True)
class Opened:
    """What the tools work on."""

    files: Workspace
    search: Search
    shell: Shell
    gate: Gate
    leave: Leave = NO_LEAVE


async def _opened(ctx: Context[Any, Any]) -> Opened:
    opened: Opened = state_of(ctx)
    return replace(opened, leave=leave_of(ctx.request_context.meta))


OpenedDep = Annotated[Opened, Resolve(_opened)]
Where = Annotated[str, Field(max_length=4096, description="Relative to the workspace's root")]
Text = Annotated[str, Field(max_length=10 * 1024 * 1024)]


@tools.tool(READ)
async def list_files(
    opened: OpenedDep,
    path: Where = ".",
    pattern: Annotated[str, Field(description="Glob seen from path; without a slash, at any depth")] = "**/*",
    limit: Annotated[int, Field(ge=1, le=5000)] = 500,
) -> str:
    """List files below a folder, one a line, sorted.

    Leaves out .git, node_modules, .venv and caches unless path names them. Symbolic links are listed, not
    followed. Globs know *, ?, [ab], {a,b} and ** for any folders.
    """
    opened.gate.admit("list_files", path=path)
    return await asyncio.to_thread(opened.files.list_files, path, pattern, limit)


@tools.tool(READ)
async def read_file(
    opened: OpenedDep,
    path: Where,
    start_line: Annotated[int, Field(ge=1)] = 1,
    end_line: Annotated[int | None, Field(ge=1, description="Last line, included; by default the end")] = None,
) -> str:
    """Read a text file, each line after its number and a tab.

    At most 256 kB a call; a last line in brackets says where to go on. A binary file is named as such.
    """
    opened.gate.admit("read_file", path=path)
    return await asyncio.to_thread(opened.files.read_file, path, start_line, end_line)


@tools.tool(READ)
async def search_files(
    opened: OpenedDep,
    pattern: Annotated[str, Field(min_length=1, max_length=2000, description="Regular expression")],
    path: Where = ".",
    glob: Annotated[str | None, Field(description="Only files that match, such as *.py or src/**")] = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> str:
    """Find lines by regular expression in a file or below a folder, as `path:line: text`.

    Lines are matched one by one and shown up to 300 characters. Leaves out what list_files leaves out, and
    binary files. Ends with an error after 20 seconds.
    """
    opened.gate.admit("search_files", path=path)
    return await opened.search.find(pattern, path, glob, limit)


@tools.tool(WRITE)
async def edit_file(opened: OpenedDep, path: Where, old: Text, new: Text, replace_all: bool = False) -> str:
    """Replace a piece of text in a file.

    old must occur exactly once, with its indentation and without line numbers, unless replace_all is set.
    Line ends stay as the file has them. Fails with the number of matches and their lines.
    """
    opened.gate.admit("edit_file", path=path)
    return await asyncio.to_thread(opened.files.edit_file, path, old, new, replace_all)


@tools.tool(WRITE)
async def write_file(opened: OpenedDep, path: Where, content: Text) -> str:
    """Create a file with its folders, or replace a file whole. Prefer edit_file for a change."""
    opened.gate.admit("write_file", path=path)
    return await asyncio.to_thread(opened.files.write_file, path, content)


@tools.tool(RUN)
async def run_command(
    opened: OpenedDep,
    command: Annotated[str, Field(min_length=1, max_length=100_000)],
    timeout_seconds: Annotated[float, Field(gt=0, le=1800)] = 120,
) -> CommandResult:
    """Run a line of bash in the workspace's root, with nothing on standard input.

    At the timeout, and when the command ends, everything that it started is killed: nothing stays in the
    background. Each stream is answered up to 64 kB, its middle left out.
    """
    await asyncio.to_thread(opened.gate.admit, "run_command", opened.leave.hosts, command=command)
    return await opened.shell.run(command, timeout_seconds, opened.leave)


def part(settings: WorkspaceSettings) -> Part:
    """The workspace server on one folder."""

    @asynccontextmanager
    async def open_workspace() -> AsyncGenerator[Opened]:
        root = _root(settings.workspace)
        sandbox = await asyncio.to_thread(choose, settings.sandbox)
        if settings.data_dir:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="rig-home-", dir=settings.data_dir, ignore_cleanup_errors=True) as home:
            private = Private(_real(home))
            env = environment(private.home, settings.command_env)
            search = Search(sandbox, root, private, env)
            shell = Shell(sandbox, root, private, env, settings.limits(), _registries(settings.registry_hosts))
            gate = await asyncio.to_thread(Gate, root, private.home, settings.guard_policy)
            yield Opened(Workspace(root), search, shell, gate)

    return Part(tools, open_workspace)


def _registries(said: Sequence[str] | None) -> Callable[[], Awaitable[Sequence[str]]]:
    async def as_set() -> Sequence[str]:
        return said or ()

    return known if said is None else as_set


def _real(folder: str) -> Path:
    return Path(folder).resolve()


def _root(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except OSError as error:
        raise InvalidInput(f"The workspace {folder} does not exist. Set RIG_WORKSPACE.") from error
    if not root.is_dir() or root == root.parent:
        raise InvalidInput(f"The workspace {root} is not a folder that may be one. Set RIG_WORKSPACE.")
    return root
