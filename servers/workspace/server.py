"""The workspace's tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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


async def _opened(ctx: Context[Any, Any]) -> Opened:
    return state_of(ctx)


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
    return await opened.search.find(pattern, path, glob, limit)


@tools.tool(WRITE)
async def edit_file(opened: OpenedDep, path: Where, old: Text, new: Text, replace_all: bool = False) -> str:
    """Replace a piece of text in a file.

    old must occur exactly once, with its indentation and without line numbers, unless replace_all is set.
    Line ends stay as the file has them. Fails with the number of matches and their lines.
    """
    return await asyncio.to_thread(opened.files.edit_file, path, old, new, replace_all)


@tools.tool(WRITE)
async def write_file(opened: OpenedDep, path: Where, content: Text) -> str:
    """Create a file with its folders, or replace a file whole. Prefer edit_file for a change."""
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
    return await opened.shell.run(command, timeout_seconds)


def part(settings: WorkspaceSettings) -> Part:
    """The workspace server on one folder."""

    @asynccontextmanager
    async def open_workspace() -> AsyncGenerator[Opened]:
        root = _root(settings.workspace)
        if settings.data_dir:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="rig-home-", dir=settings.data_dir, ignore_cleanup_errors=True) as home:
            env = environment(Path(home), settings.command_env)
            yield Opened(Workspace(root), Search(root, env), Shell(root, env, Path(home)))

    return Part(tools, open_workspace)


def _root(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except OSError as error:
        raise InvalidInput(f"The workspace {folder} does not exist. Set RIG_WORKSPACE.") from error
    if not root.is_dir() or root == root.parent:
        raise InvalidInput(f"The workspace {root} is not a folder that may be one. Set RIG_WORKSPACE.")
    return root
